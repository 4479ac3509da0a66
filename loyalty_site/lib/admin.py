"""What every page of the admin is made of; the one module that knows its theme's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.sites import UnfoldAdminSite

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
    "Site",
    "TypedModelAdmin",
    "display",
]

M = TypeVar("M", bound=models.Model)
P = TypeVar("P", bound=models.Model)

# What proves that someone is more than a password; recovery codes only replace these.
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class Site(UnfoldAdminSite):
    """The admin, which in production lets in only staff who have a second factor."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person may see pages of the admin at all."""
        return super().has_permission(request) and not self.lacks_second_factor(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send staff without a second factor to where they make one."""
        if super().has_permission(request) and self.lacks_second_factor(request):
            messages.warning(
                request, _("Staff need a second factor. Set one up, then open the admin again.")
            )
            return redirect("mfa_activate_totp")
        response: HttpResponse = super().login(request, extra_context)
        return response

    @staticmethod
    def lacks_second_factor(request: HttpRequest) -> bool:
        """Whether this person still has to set up a second factor; never in a demo."""
        if not settings.IS_PRODUCTION:
            return False
        return not is_mfa_enabled(request.user, SECOND_FACTORS)


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """Read what rows are shown with together with them, also on the page of one row."""
        rows = super().get_queryset(request)
        related = self.list_select_related
        return rows if isinstance(related, bool) else rows.select_related(*related)


class BooksAdmin(ReadOnlyAdmin[M], Generic[M]):
    """Rows of a table too long to be counted for each page of its list."""

    paginator = InfinitePaginator
    list_per_page = 50


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
