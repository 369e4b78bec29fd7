//! `watchbell key …`

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use domain::key::ApiKey;
use serde_json::json;

use super::output;
use crate::app;
use crate::auth::api_key;
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
        /// How many days it lives
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        expires_days: Option<u64>,
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
        Command::Create { name, allowed, manage, expires_days, json } => {
            if let Some(prefix) = allowed.iter().find(|prefix| !prefix.starts_with('/')) {
                bail!("`--allow {prefix}`: a path prefix begins with a slash");
            }
            let mut new = api_key::make(name.trim(), allowed, manage, now, &mut Ids);
            new.key.expires_at =
                expires_days.map(|days| now.after(Duration::from_secs(days.saturating_mul(86_400))));
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
                return output::json(&json!({ "keys": keys }));
            }
            let rows: Vec<_> = keys.iter().map(|key| row(key, now)).collect();
            output::table(["ID", "NAME", "PREFIX", "STATE", "MAY CALL", "LAST USED"], &rows)
        }
        Command::Revoke { id } => {
            store.revoke_api_key(id.parse()?, now).await?;
            output::line("revoked")
        }
    }
}

fn row(key: &ApiKey, now: domain::time::Timestamp) -> [String; 6] {
    let state = match key {
        ApiKey { revoked_at: Some(_), .. } => "revoked",
        key if !key.is_live(now) => "expired",
        _ => "live",
    };
    let mut may = match key.allowed_endpoints.as_slice() {
        [] => "the API".to_owned(),
        prefixes => prefixes.join(" "),
    };
    if key.manage {
        may.push_str(", /manage/");
    }
    let used = key.last_used_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
    [key.id.to_string(), key.name.clone(), key.prefix.clone(), state.to_owned(), may, used]
}
