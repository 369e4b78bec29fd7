//! How a notification reads: the templates of its channel, whatever is wrong with them.

use std::sync::Arc;

use domain::plugin::Notification;
use tracing::Span;

use crate::template::{ChannelTemplates, Recipient, TemplateError, Templates};

/// The notification in the words of the templates; in its own where that cannot be done.
pub(super) async fn put(
    templates: &Arc<Templates>,
    to: Recipient,
    own: Result<ChannelTemplates, TemplateError>,
    notification: Notification,
) -> Notification {
    // They were looked over when they were saved; whoever wrote them past that is still to be told.
    let own = own.unwrap_or_else(|error| {
        let channel = &to.channel;
        tracing::warn!(
            channel.name = %channel, error.r#type = "template",
            "channel `{channel}` brings templates that cannot be read: {error}"
        );
        ChannelTemplates::default()
    });
    let (templates, plain, span) = (Arc::clone(templates), notification.clone(), Span::current());
    // It reads files and may take a while; in this span, so that its lines tell of this delivery.
    let worded =
        tokio::task::spawn_blocking(move || span.in_scope(|| templates.apply(&to, &own, notification)));
    worded.await.unwrap_or(plain)
}
