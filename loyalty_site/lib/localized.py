"""A text that is kept by language, as one field of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget


def codes() -> list[str]:
    """Return the languages that are asked for, in the site's order."""
    return [code for code, _name in settings.LANGUAGES]


class LocalizedWidget(forms.MultiWidget):
    """An input for each language, named by it."""

    def __init__(self, *, is_long: bool = False) -> None:
        kind = UnfoldAdminTextareaWidget if is_long else UnfoldAdminTextInputWidget
        size = {"rows": 2} if is_long else {}
        super().__init__(
            {
                code.replace("-", "_"): kind(attrs={"aria-label": name, **size})
                for code, name in settings.LANGUAGES
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
            (language, self._render(each["template_name"], {"widget": each}, renderer))  # type: ignore[attr-defined]
            for (_code, language), each in zip(settings.LANGUAGES, inputs, strict=True)
        )
        return format_html_join("", '<div class="la-language"><span>{}</span>{}</div>', rows)

    def decompress(self, value: Mapping[str, str] | None) -> list[str]:
        """Return the texts in the order of the inputs."""
        return [(value or {}).get(code, "") for code in codes()]


class LocalizedField(forms.MultiValueField):
    """Gives ``{language: text}`` of the languages that were filled in."""

    widget: LocalizedWidget

    def __init__(self, *, max_length: int, is_long: bool = False, required: bool = True) -> None:
        super().__init__(
            [forms.CharField(max_length=max_length, required=False) for _code in codes()],
            widget=LocalizedWidget(is_long=is_long),
            required=required,
            require_all_fields=False,
        )

    def compress(self, data_list: Sequence[str]) -> dict[str, str]:
        """Return what was filled in, by language."""
        return {code: text for code, text in zip(codes(), data_list, strict=False) if text}

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether any language differs; those that are not asked for do not count."""
        before = {code: (initial or {}).get(code, "") for code in codes()}
        after = dict(zip(codes(), (text or "" for text in data or ()), strict=False))
        return any(before[code] != after.get(code, "") for code in codes())
