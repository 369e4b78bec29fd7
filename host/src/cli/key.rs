//! `watchbell key …`

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use domain::key::ApiKey;
use domain::time::Timestamp;
use serde_json::json;

use super::output;
use crate::app;
use crate::auth::new_key::{self, Wish};
use crate::clock::{self, Ids};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key; its token is shown once
    Create {
        /// What it is for, such as the sender's name
        #[arg(long)]
        name: String,
        /// A path prefix that it may call, such as /alerts/webhook/; may be repeated
        #[arg(long = "allow", value_name = "PREFIX")]
        allowed: Vec<String>,
        /// Let it call /manage/ as well
        #[arg(long)]
        manage: bool,
        /// How long it lives, as 90d, 12h or 30m
        #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "expires_at")]
        expires_in: Option<Duration>,
        /// When it ends, as 2027-01-31T00:00:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires_at: Option<Timestamp>,
        /// Print {"id","prefix","token"}
        #[arg(long)]
        json: bool,
    },
    /// List keys; tokens are never shown again
    List {
        /// Print {"keys":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Take a key back; running hubs know within 5 s
    Revoke {
        /// Its identifier
        id: String,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    let now = clock::now();
    match command {
        Command::Create { name, allowed, manage, expires_in, expires_at, json } => {
            let expires_at = expires_at.or_else(|| expires_in.map(|duration| now.after(duration)));
            let wish = Wish { name, allowed_endpoints: allowed, manage, expires_at };
            let new = new_key::make(wish, now, &mut Ids).map_err(anyhow::Error::msg)?;
            store.add_api_key(&new.key, &new.digest).await?;
            let token = new.token.expose();
            if json {
                return output::json(&json!({ "id": new.key.id, "prefix": new.key.prefix, "token": token }));
            }
            output::line(&format!("key `{}` ({})", new.key.name, new.key.id))?;
            output::line(&format!("token, shown this once: {token}"))
        }
        Command::List { json } => {
            let keys = store.api_keys().await?;
            if json {
                let shown: Vec<_> = keys.iter().map(|key| key.shown(now)).collect();
                return output::json(&json!({ "keys": shown }));
            }
            let rows: Vec<_> = keys.iter().map(|key| row(key, now)).collect();
            output::table(["ID", "NAME", "PREFIX", "STATE", "MAY CALL", "ENDS", "LAST USED"], &rows)
        }
        Command::Revoke { id } => {
            store.revoke_api_key(id.parse()?, now).await?;
            output::line("revoked")
        }
    }
}

fn row(key: &ApiKey, now: Timestamp) -> [String; 7] {
    let mut may = match key.allowed_endpoints.as_slice() {
        [] => "the API".to_owned(),
        prefixes => prefixes.join(" "),
    };
    if key.manage {
        may.push_str(", /manage/");
    }
    let time = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    [
        key.id.to_string(),
        key.name.clone(),
        key.prefix.clone(),
        key.state(now).as_str().to_owned(),
        may,
        time(key.expires_at),
        time(key.last_used_at),
    ]
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "a point in time is written as 2027-01-31T00:00:00Z".to_owned())
}

/// A number with its unit; up to ten years.
fn duration(text: &str) -> Result<Duration, String> {
    const MAX_S: u64 = 3650 * 86_400;
    let wrong = || "a time is written as 90d, 12h or 30m, and is up to 3650d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|seconds| (60..=MAX_S).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(duration("12h"), Ok(Duration::from_secs(12 * 3600)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for wrong in ["", "d", "90", "0d", "-1d", "1.5h", "1dd", "3651d", "99999999999999999999d", "5w", "1é"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
