"""The form in which a definition is written: text, what it is based on, and why."""

from django import forms

from workflows.definition_text import MAX_BYTES

WRITING = {
    "rows": 32,
    "wrap": "off",
    "spellcheck": "false",
    "autocomplete": "off",
    "autocapitalize": "off",
    "class": "editor-text",
    "data-editor-text": "",
}


class DefinitionForm(forms.Form):
    """``upon`` is the number of the version that the text was made from, 0 for a new workflow."""

    source = forms.CharField(
        label="Definition", strip=False, max_length=MAX_BYTES, widget=forms.Textarea(attrs=WRITING)
    )
    upon = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput())
    reason = forms.CharField(max_length=1000, required=False, help_text="For the audit trail: what this changes.")

    def clean_source(self) -> str:
        """With the line ends that YAML counts, not those that browsers send."""
        return str(self.cleaned_data["source"]).replace("\r\n", "\n")
