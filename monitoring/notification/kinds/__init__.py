"""The kinds of channels; docs/notifications.md says how to add one."""

from collections.abc import Mapping

from monitoring.models import ChannelKind
from monitoring.notification.kinds.apprise import AppriseKind
from monitoring.notification.kinds.base import Kind
from monitoring.notification.kinds.browser import BrowserKind
from monitoring.notification.kinds.mail import MailKind
from monitoring.notification.kinds.webhook import WebhookKind

KINDS: Mapping[str, Kind] = {
    ChannelKind.BROWSER: BrowserKind(),
    ChannelKind.EMAIL: MailKind(),
    ChannelKind.WEBHOOK: WebhookKind(),
    ChannelKind.APPRISE: AppriseKind(),
}
