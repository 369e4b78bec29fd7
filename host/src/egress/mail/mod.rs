//! Mail: one message to one server, under the rules of everything that goes out.

mod letter;
mod session;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use domain::egress::{HttpError, MailError, MailMessage, MailSecurity, SentMail};
use domain::trace::{SpanId, TraceParent};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::origin::Origin;
use super::prepare::check_secrets;
use super::secrets::{Encoding, Filler};
use super::{Budget, Egress, Grants};
use crate::clock::{self, Ids};
use crate::telemetry::export::{self, Side, Step};
use session::{Errand, Login};

/// `wit/host.wit`: what a message without a timeout of its own leaves of the call, to say that it was too long.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long a server may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

impl Egress {
    /// Hands one message to one server and waits for its last answer.
    ///
    /// Waits as long as the message asks for, and never longer than `time_left`. Dropping the future cuts the
    /// connection. Every message has a connection of its own.
    ///
    /// # Errors
    /// [`MailError`]; its texts name plugin, host and the line to add, and hold no secret, subject or text.
    pub async fn mail(
        &self,
        grants: &Grants,
        budget: &Budget,
        message: MailMessage,
        time_left: Duration,
    ) -> Result<SentMail, MailError> {
        let (began, before) = (clock::now(), budget.used());
        let result = self.hand_over(grants, budget, message, time_left).await;
        if let Some(parent) = grants.trace {
            let step = TraceParent { span_id: SpanId::mint(&mut Ids), ..parent };
            export::step(|| Step {
                name: "mail",
                side: Side::Client,
                trace_id: step.trace_id,
                id: step.span_id,
                parent: Some(parent.span_id),
                link: None,
                began,
                ended: clock::now(),
                error: result.as_ref().err().map(|error| error.kind().to_owned()),
                fields: vec![("plugin.name", grants.plugin.to_string())],
            });
        }
        grants.count(budget.used().since(before), result.as_ref().map_or_else(MailError::kind, |_| "ok"));
        result
    }

    async fn hand_over(
        &self,
        grants: &Grants,
        budget: &Budget,
        message: MailMessage,
        time_left: Duration,
    ) -> Result<SentMail, MailError> {
        let began = Instant::now();
        let wished = message.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let limit = wished.unwrap_or_else(|| time_left.saturating_sub(LAST_WORDS)).min(time_left);
        budget.admit().map_err(|error| from_http(error, &message.server))?;
        let prepared = prepare(grants, &message);
        let (origin, login, letter) = prepared.inspect_err(|_| budget.take_refusal())?;
        let server = origin.to_string();
        budget.take_sent(letter.bytes.len()).map_err(|error| from_http(error, &server))?;
        let dialled = self.dial(grants, budget, &origin, limit).await;
        let stream = dialled.map_err(|error| from_http(error, &server))?;

        let errand = Errand {
            origin: &origin,
            security: message.security,
            login,
            letter,
            tls: TlsConnector::from(Arc::new(self.tls.clone())),
            handed_over: AtomicBool::new(false),
        };
        let dialogue = async {
            let mut session = errand.open(stream).await?;
            let sent = errand.deliver(&mut session).await;
            Ok((sent, session))
        };
        let left = || limit.saturating_sub(began.elapsed());
        let Ok(ended) = timeout(left(), Box::pin(dialogue)).await else {
            let limit_ms = limit.as_millis();
            let text = format!("`{origin}` did not answer within {limit_ms} ms{}", errand.maybe());
            return Err(MailError::Timeout(text));
        };
        let (sent, session) = ended?;
        // Whether it answers in time or not: the message is where it is.
        let _ = timeout(FAREWELL.min(left()), session.quit()).await;
        sent
    }
}

/// What the grants allow, with secrets put in.
fn prepare(
    grants: &Grants,
    message: &MailMessage,
) -> Result<(Origin, Option<Login>, letter::Letter), MailError> {
    let invalid = |text: &str| MailError::InvalidMessage(text.to_owned());
    let origin: Origin = match message.server.parse() {
        Ok(origin) => origin,
        Err(error) => return Err(invalid(&format!("the server: {error}"))),
    };
    if origin.is_http() {
        return Err(invalid("the server must be `smtp://host` or `smtps://host`"));
    }
    if origin.scheme() == "smtps" && message.security == MailSecurity::None {
        return Err(invalid("an `smtps` server has TLS: security `none` is for `smtp`"));
    }
    let mut filler = Filler::new(&grants.secrets);
    let mut fill = |text: &str| filler.fill(text, Encoding::Raw).map_err(|error| from_http(error, ""));
    let login = match (&message.username, &message.password) {
        (Some(username), Some(password)) => {
            Some(Login { username: fill(username)?, password: fill(password)? })
        }
        (None, None) => None,
        _ => return Err(invalid("a user name and a password belong together: one of them is missing")),
    };
    let is_plain = |text: &String| !text.is_empty() && !text.contains('\0');
    if login.as_ref().is_some_and(|login| !is_plain(&login.username) || !is_plain(&login.password)) {
        return Err(invalid("the user name or the password is empty or has a zero byte"));
    }
    check_secrets(grants, &filler, &origin).map_err(|error| from_http(error, ""))?;
    let letter = letter::write(message, clock::machine_time())?;
    Ok((origin, login, letter))
}

fn from_http(error: HttpError, server: &str) -> MailError {
    match error {
        HttpError::Denied(why) => MailError::Denied(why),
        HttpError::InvalidRequest(why) => MailError::InvalidMessage(why),
        HttpError::Unreachable(why) => MailError::Unreachable(why),
        HttpError::Timeout => MailError::Timeout(format!("`{server}` did not take a connection in time")),
        HttpError::TooLarge => MailError::Unreachable(error.to_string()),
        HttpError::BudgetExceeded(why) => MailError::BudgetExceeded(why),
    }
}
