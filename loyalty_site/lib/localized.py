"""A text that is kept by language, as one field of a form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget


def asked_languages(*texts: Mapping[str, str]) -> list[str]:
    """Return the site's languages, then the others that some of the texts are kept in."""
    site = [code for code, _name in settings.LANGUAGES]
    return list(dict.fromkeys([*site, *(code for text in texts for code in text)]))


def language_name(code: str) -> str:
    """Return what the language is called; its code where nobody knows."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


class LocalizedWidget(forms.MultiWidget):
    """An input for each language, below its name."""

    def __init__(self, languages: Sequence[str], *, is_long: bool) -> None:
        kind = UnfoldAdminTextareaWidget if is_long else UnfoldAdminTextInputWidget
        size = {"rows": 2} if is_long else {}
        self.languages = languages
        super().__init__(
            {
                code.replace("-", "_"): kind(attrs={"aria-label": language_name(code), **size})
                for code in languages
            }
        )

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        """Return the inputs, each below the name of its language."""
        inputs = self.get_context(name, value, attrs)["widget"]["subwidgets"]
        rows = (
            (language_name(code), self._render(each["template_name"], {"widget": each}, renderer))  # type: ignore[attr-defined]
            for code, each in zip(self.languages, inputs, strict=True)
        )
        return format_html_join("", '<div class="la-language"><span>{}</span>{}</div>', rows)

    def decompress(self, value: Mapping[str, str] | None) -> list[str]:
        """Return the texts in the order of the inputs."""
        return [(value or {}).get(code, "") for code in self.languages]


class LocalizedField(forms.MultiValueField):
    """Gives ``{language: text}`` of all languages that were asked for, empty ones too."""

    def __init__(
        self,
        *,
        max_length: int,
        languages: Iterable[str] = (),
        is_long: bool = False,
        required: bool = True,
    ) -> None:
        self.languages = list(languages)
        super().__init__(
            [forms.CharField(max_length=max_length, required=False) for _ in self.languages],
            widget=LocalizedWidget(self.languages, is_long=is_long),
            required=required,
            require_all_fields=False,
        )

    def compress(self, data_list: Sequence[str]) -> dict[str, str]:
        """Return the texts by language."""
        texts = [*data_list, *[""] * len(self.languages)]
        return dict(zip(self.languages, texts, strict=False))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether any language differs; those that are not asked for do not count."""
        before = {code: (initial or {}).get(code, "") for code in self.languages}
        return before != self.compress([text or "" for text in data or ()])
