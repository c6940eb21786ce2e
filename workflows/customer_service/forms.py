"""Forms of the desk and of the knowledge base. The verbs check what is written; forms only say what is asked."""

from typing import Any

from django import forms

from workflows.customer_service import arrivals, decisions
from workflows.customer_service.models import Article, Category, Channel, Tier

CHANNELS = [choice for choice in Channel.choices if choice[0] not in (Channel.API, Channel.FILE)]
REASON_LIMIT = 1000


class InquiryForm(forms.Form):
    """A new inquiry: written down for somebody on the telephone, or to try things out."""

    body = forms.CharField(
        label="What they ask", widget=forms.Textarea(attrs={"rows": 8}), max_length=arrivals.MAX_BODY
    )
    subject = forms.CharField(max_length=arrivals.LINES["subject"], required=False)
    email = forms.EmailField(
        label="E-mail",
        max_length=arrivals.LINES["email"],
        required=False,
        help_text="Where the reply goes. Without one it is kept here as undeliverable.",
    )
    name = forms.CharField(max_length=arrivals.LINES["name"], required=False)
    tier = forms.ChoiceField(choices=[("", "as known"), *Tier.choices], required=False)
    channel = forms.ChoiceField(choices=CHANNELS, initial=Channel.WEB)


class ReviewForm(forms.Form):
    """A decision on a claimed inquiry."""

    lease = forms.IntegerField(min_value=0)
    decision = forms.ChoiceField(choices=[(name, name) for name in decisions.KINDS])
    reply = forms.CharField(required=False, strip=False)
    category = forms.ChoiceField(choices=[("", ""), *Category.choices], required=False)
    reason = forms.CharField(max_length=REASON_LIMIT, required=False)
    then = forms.ChoiceField(choices=[(name, name) for name in decisions.SEQUELS], required=False)


class ReassignForm(forms.Form):
    """Whose it is to be; nobody's without a person."""

    assignee = forms.IntegerField(required=False)
    reason = forms.CharField(max_length=REASON_LIMIT, required=False)


class TextForm(forms.Form):
    """A reply as it is being typed, and the version it was typed from."""

    reply = forms.CharField(required=False, strip=False)
    version = forms.IntegerField(min_value=0, required=False)


class ArticleForm(forms.Form):
    """An article of the knowledge base."""

    title = forms.CharField(max_length=200, help_text="Customers see it under the reply that cites it.")
    category = forms.ChoiceField(choices=Category.choices)
    body = forms.CharField(
        label="Text",
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Replies quote it word for word, so write it to the customer.",
    )
    questions = forms.CharField(
        label="How customers ask this",
        widget=forms.Textarea(attrs={"rows": 6}),
        required=False,
        help_text="One question a line. The more ways, the better the article is found.",
    )
    enabled = forms.BooleanField(label="Replies may cite it", required=False, initial=True)
    reason = forms.CharField(max_length=REASON_LIMIT, required=False, help_text="For the audit trail.")

    @classmethod
    def filled(cls, article: Article) -> dict[str, Any]:
        """What the form shows of an article."""
        columns = {name: getattr(article, name) for name in ("title", "category", "body", "enabled")}
        return columns | {"questions": "\n".join(article.questions)}

    def clean_questions(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["questions"].splitlines() if line.strip()]

    def values(self) -> dict[str, Any]:
        """The article's fields, as its verbs take them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}
