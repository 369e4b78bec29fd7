//! Notifiers that send mail, and what a mail server's answers mean for another attempt.
//!
//! They have a trait of their own, so that a component imports `host-http` or `host-mail` and not both.

pub use crate::bindings::notifier::watchbell::plugin::host_mail::{
    MailError, Message, Refusal, RefusedRecipient, Reply, Security, Sent,
};

use crate::PluginError;
use crate::notifier::{Notification, NotifierInfo, Problem, Receipt};

/// A mail server, as far as a plugin reaches it; the host in a component, a recording in a test.
pub trait Mailer {
    /// Hands over one message.
    ///
    /// # Errors
    /// Why it is not known to be delivered; [`failure`] says what that means for another attempt.
    fn send(&mut self, message: &Message) -> Result<Sent, MailError>;
}

/// The host itself. Only inside a component.
#[derive(Debug)]
pub struct HostMailer;

impl Mailer for HostMailer {
    fn send(&mut self, message: &Message) -> Result<Sent, MailError> {
        crate::bindings::notifier::watchbell::plugin::host_mail::send(message)
    }
}

/// Delivers notifications by mail: [`crate::notifier::Notifier`] with a mail server for the remote.
pub trait MailNotifier {
    /// Who the notifier is and which settings a channel has.
    fn metadata() -> NotifierInfo;

    /// What is wrong with a channel's settings. Empty: nothing.
    fn validate_config(config: &str) -> Vec<Problem>;

    /// Delivers one notification through `mailer`.
    ///
    /// # Errors
    /// The case says whether another attempt makes sense: see [`failure`].
    fn send(
        notification: &Notification,
        config: &str,
        mailer: &mut dyn Mailer,
    ) -> Result<Receipt, PluginError>;
}

/// Makes a component of the world `alert-notifier` from a type that implements [`MailNotifier`].
#[macro_export]
macro_rules! export_mail_notifier {
    ($notifier:ty) => {
        $crate::export_notifier!($notifier, $crate::mail::MailNotifier, $crate::mail::HostMailer);
    };
}

/// What it means that a message is not known to be delivered.
///
/// Credentials are for an operator. A code of 400 to 499 passes, and so does trouble with the connection or
/// with TLS: certificates are renewed, and nobody who strips STARTTLS off shall end a delivery for good.
/// Everything else stays as it is.
pub fn failure(error: MailError) -> PluginError {
    match error {
        MailError::Denied(reason) | MailError::InvalidMessage(reason) => PluginError::Config(reason),
        MailError::Unreachable(reason) | MailError::Timeout(reason) | MailError::Tls(reason) => {
            PluginError::Unavailable(reason)
        }
        MailError::Auth(reason) => PluginError::Auth(reason),
        MailError::Refused(Refusal { reply, temporary, recipients }) => {
            let what = match recipients.len() {
                0 => String::new(),
                count => format!(" and took none of {count} recipients"),
            };
            let text = format!("mail server answered {}{what}", told(&reply));
            if temporary { PluginError::Unavailable(text) } else { PluginError::Rejected(text) }
        }
        MailError::BudgetExceeded(reason) => PluginError::Rejected(reason),
    }
}

/// Code and text of an answer.
pub fn told(reply: &Reply) -> String {
    format!("{} {}", reply.code, reply.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, temporary: bool) -> PluginError {
        let reply = Reply { code, text: "no".to_owned() };
        failure(MailError::Refused(Refusal { reply, temporary, recipients: Vec::new() }))
    }

    #[test]
    fn the_code_decides_whether_another_attempt_makes_sense() {
        assert_eq!(refusal(451, true), PluginError::Unavailable("mail server answered 451 no".to_owned()));
        assert_eq!(refusal(550, false), PluginError::Rejected("mail server answered 550 no".to_owned()));
        assert!(matches!(failure(MailError::Auth(String::new())), PluginError::Auth(_)));
        for error in [MailError::Unreachable, MailError::Timeout, MailError::Tls] {
            assert!(matches!(failure(error(String::new())), PluginError::Unavailable(_)));
        }
        for error in [MailError::Denied, MailError::InvalidMessage] {
            assert!(matches!(failure(error(String::new())), PluginError::Config(_)));
        }
        assert!(matches!(failure(MailError::BudgetExceeded(String::new())), PluginError::Rejected(_)));
    }
}
