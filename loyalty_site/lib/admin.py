"""What every page of the admin is made of; the one module that knows its theme's classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as TypedModelAdmin
    from django.contrib.admin import TabularInline as TypedTabularInline
else:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import TabularInline as _TabularInline

    class TypedModelAdmin(_ModelAdmin):
        """The theme's class, which takes its model as a type like the typed one does."""

        def __class_getitem__(cls, _model: object) -> type:
            return cls

    class TypedTabularInline(_TabularInline):
        """The theme's class, which takes its models as types like the typed one does."""

        def __class_getitem__(cls, _models: object) -> type:
            return cls


__all__ = [
    "BooksAdmin",
    "ProgramFileAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "TypedModelAdmin",
    "badge",
    "life",
    "worked",
]

M = TypeVar("M", bound=models.Model)
P = TypeVar("P", bound=models.Model)
F = TypeVar("F", bound=Callable[..., Any])


def badge(description: Any, **colors: str) -> Callable[[F], F]:
    """Show a column as a badge; the method gives its key of ``colors`` and its text."""
    decorate: Callable[[F], F] = display(description=description, label=colors)
    return decorate


class ReadOnlyAdmin(TypedModelAdmin[M], Generic[M]):
    """Rows that nobody changes here, whatever is posted and whoever posts it.

    Every column is shown but the hidden ones and those that hold bytes.
    """

    actions = None
    hidden: ClassVar[tuple[str, ...]] = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> list[Any]:
        """Return the columns with what the class adds to them, in the model's order."""
        shown = [
            field.name
            for field in self.model._meta.concrete_fields
            if field.name not in self.hidden and not isinstance(field, models.BinaryField)
        ]
        return [*shown, *(name for name in self.readonly_fields if name not in shown)]

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> list[Any]:
        return self.get_fields(request, obj)

    def page_context(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what the template of a row's page shows beside its columns."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Give the page of a row what it shows; whoever may not see the row does not come here."""
        row: M | None = kwargs.get("obj")
        more = self.page_context(request, row) if row is not None else {}
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """Read what rows are shown with together with them, also on the page of one row."""
        rows = super().get_queryset(request)
        related = self.list_select_related
        return rows if isinstance(related, bool) else rows.select_related(*related)


class BooksAdmin(ReadOnlyAdmin[M], Generic[M]):
    """Rows of a table too long to be counted for each page of its list."""

    paginator = InfinitePaginator
    list_per_page = 50


@badge(gettext_lazy("state"), live="success", retired="warning")
def life(row: Any) -> Any:
    """Return whether the program file still has the row."""
    return ("retired", _("retired")) if row.is_retired else ("live", _("live"))


@badge(gettext_lazy("state"), done="success", running="info", waiting="warning", failed="danger")
def worked(row: Any) -> Any:
    """Return how far the worker is with what was asked of it."""
    if row.failure:
        return "failed", _("failed")
    if row.finished_at:
        return "done", _("done")
    if row.started_at:
        return "running", _("running")
    return "waiting", _("waits for a worker")


class ProgramFileAdmin(ReadOnlyAdmin[M], Generic[M]):
    """Rows that the program file states; every change of them has to be published."""

    list_before_template = "admin/partials/program_file_note.html"
    change_form_before_template = "admin/partials/program_file_note.html"


class ReadOnlyInline(TypedTabularInline[M, P], Generic[M, P]):
    """Rows below their parent that nobody changes here."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
