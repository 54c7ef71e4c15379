"""
Where an operator's bookkeeping puts what the portal bills and collects.
"""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from billing.models.contracts import Terms
from sites.access import Scope, ScopedQuerySet
from sites.models import Stakeholder

ACCOUNT_NUMBER = RegexValidator(r"^\d{3,9}$", "Digits only, three to nine of them.")


class BookkeepingQuerySet(ScopedQuerySet["Bookkeeping"]):
    scope = Scope(operator="operator")


class Bookkeeping(models.Model):
    """
    The accounts of one operator's books, and how its tax adviser knows it.
    """

    operator = models.OneToOneField(
        Stakeholder, on_delete=models.CASCADE, primary_key=True, related_name="bookkeeping"
    )
    receivables = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    payables = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    bank = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    vat = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    input_vat = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    # Customers have an account each from here on; None: they share `receivables`.
    debtors_from = models.PositiveIntegerField(null=True, blank=True)
    consultant = models.CharField(max_length=7, blank=True)
    client = models.CharField(max_length=5, blank=True)
    year_begins_in = models.PositiveSmallIntegerField(default=1)

    objects = BookkeepingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_year_begins_in_a_month",
                condition=Q(year_begins_in__gte=1, year_begins_in__lte=12),
            ),
        ]

    def __str__(self) -> str:
        return f"books of {self.operator}"


class RevenueAccountQuerySet(ScopedQuerySet["RevenueAccount"]):
    scope = Scope(operator="operator")


class RevenueAccount(models.Model):
    """
    The account of one kind of revenue; of payments to hosts it is an account of costs.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.CASCADE, related_name="revenue_accounts"
    )
    model = models.CharField(max_length=10, choices=Terms.Model.choices)
    vat_category = models.CharField(max_length=2)
    vat_rate = models.DecimalField(max_digits=5, decimal_places=2)
    account = models.CharField(max_length=9, validators=[ACCOUNT_NUMBER])
    tax_key = models.CharField(max_length=4, blank=True)

    objects = RevenueAccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "model", "vat_category", "vat_rate"],
                name="one_account_a_kind_of_revenue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.vat_rate} %: {self.account}"
