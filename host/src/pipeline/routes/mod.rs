//! Routes as people manage them: checked before they are kept, and tried out.

mod trial;

use std::time::Duration;

use domain::alert::{Alert, AlertStatus};
use domain::delivery::Channel;
use domain::id::{Mint, RouteId};
use domain::route::{Condition, Route, Subject};
use domain::run::{Origin, Stage};
use domain::time::Timestamp;
use store::{BrokenRoute, KeptRoute, Routes, Store, StoreError};

pub use trial::{Asked, Probe, Trial, probes, try_out};

/// The priority of a route that names none: before `catch-all`, after `resolved-all-clear`.
const PRIORITY: i32 = 100;
/// How far back alerts are looked at to see whether a rule matches anything.
const SEEN_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// How many alerts are looked at for that: a few milliseconds.
const SEEN_MOST: u32 = 2000;

/// What a route shall be. Where nothing is said, a new route has its defaults and an old one stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name; a new one needs one.
    pub name: Option<String>,
    /// The lowest is asked first.
    pub priority: Option<i32>,
    /// All must hold.
    pub conditions: Option<Vec<Condition>>,
    /// In this order.
    pub stages: Option<Vec<Stage>>,
    /// Names of channels; an empty list stands for every enabled one.
    pub channels: Option<Vec<String>>,
    /// Whether it takes part.
    pub enabled: Option<bool>,
}

/// A route that was kept.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The route.
    pub route: Route,
    /// What may not be meant.
    pub warnings: Vec<String>,
}

/// Why a route is not kept.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// It cannot be understood, or names what is not there.
    #[error("this route cannot be kept: {}", .0.join("; "))]
    Defects(Vec<String>),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps a new route.
///
/// # Errors
/// [`RouteError::Defects`] names everything that is wrong with it.
pub async fn add(
    store: &Store,
    wish: Wish,
    mint: &mut (dyn Mint + Send),
    now: Timestamp,
) -> Result<Saved, RouteError> {
    let route = wish.onto(Route {
        id: RouteId::mint(mint),
        name: String::new(),
        priority: PRIORITY,
        conditions: Vec::new(),
        stages: vec![Stage::Check, Stage::Analyze, Stage::Notify],
        channels: Vec::new(),
        enabled: true,
    });
    let channels = check(store, &route).await?;
    store.add_route(&route).await?;
    let warnings = warnings(store, Some(&route), &channels, now).await?;
    Ok(Saved { route, warnings })
}

/// Changes a route.
///
/// # Errors
/// [`RouteError::Defects`] names everything that is wrong with what it would be.
pub async fn change(store: &Store, id: RouteId, wish: Wish, now: Timestamp) -> Result<Saved, RouteError> {
    let route = wish.onto(find(store, &id.to_string()).await?.route);
    let channels = check(store, &route).await?;
    store.update_route(&route).await?;
    let warnings = warnings(store, Some(&route), &channels, now).await?;
    Ok(Saved { route, warnings })
}

/// Takes a route away; returns what may not be meant.
///
/// # Errors
/// When there is none.
pub async fn remove(store: &Store, id: RouteId, now: Timestamp) -> Result<Vec<String>, RouteError> {
    store.remove_route(id).await?;
    Ok(warnings(store, None, &[], now).await?)
}

/// Finds a route by identifier or name.
///
/// # Errors
/// [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] for one that cannot be understood.
pub async fn find(store: &Store, which: &str) -> Result<KeptRoute, StoreError> {
    let Routes { routes, broken } = store.routes().await?;
    let is_meant = |kept: &KeptRoute| kept.route.id.to_string() == which || kept.route.name == which;
    if let Some(kept) = routes.into_iter().find(is_meant) {
        return Ok(kept);
    }
    match broken.iter().find(|broken| broken.id == which || broken.name == which) {
        Some(BrokenRoute { name, problem, .. }) => Err(StoreError::Conflict(format!(
            "route `{name}` cannot be understood: {problem}\nhint: remove it and add it anew"
        ))),
        None => Err(StoreError::NotFound(format!("route `{which}`"))),
    }
}

impl Wish {
    fn onto(self, route: Route) -> Route {
        Route {
            id: route.id,
            name: self.name.unwrap_or(route.name),
            priority: self.priority.unwrap_or(route.priority),
            conditions: self.conditions.unwrap_or(route.conditions),
            stages: self.stages.unwrap_or(route.stages),
            channels: self.channels.unwrap_or(route.channels),
            enabled: self.enabled.unwrap_or(route.enabled),
        }
    }
}

/// Refuses what cannot be understood; returns the channels that there are.
async fn check(store: &Store, route: &Route) -> Result<Vec<Channel>, RouteError> {
    let channels = store.channels().await?;
    let mut defects = route.defects();
    let unknown = route.channels.iter().filter(|name| !channels.iter().any(|channel| channel.name == **name));
    let there: Vec<String> = channels.iter().map(|channel| format!("`{}`", channel.name)).collect();
    let there = if there.is_empty() { "none yet".to_owned() } else { there.join(", ") };
    defects.extend(unknown.map(|name| {
        let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        format!("`channels` names `{name}`, which is no channel; there are: {there}")
    }));
    if defects.is_empty() { Ok(channels) } else { Err(RouteError::Defects(defects)) }
}

/// What may not be meant, now that a route is kept or gone.
async fn warnings(
    store: &Store,
    route: Option<&Route>,
    channels: &[Channel],
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut warnings = Vec::new();
    let routes: Vec<Route> = store.routes().await?.routes.into_iter().map(|kept| kept.route).collect();
    let matches_all = |route: &&Route| route.enabled && route.conditions.is_empty();
    if let Some(route) = route.filter(|route| route.enabled) {
        let earlier = routes.iter().take_while(|other| other.id != route.id).find(matches_all);
        if let Some(earlier) = earlier {
            let name = &earlier.name;
            warnings.push(format!("it is never taken: `{name}` is asked before it and matches everything"));
        }
        if !route.conditions.is_empty() {
            let seen = store.recent_alerts(now.before(SEEN_WITHIN), SEEN_MOST).await?;
            if !seen.is_empty() && !seen.iter().any(|alert| could_match(route, alert)) {
                warnings.push(format!(
                    "it matches none of the {} alerts looked at that were heard of in the last 7 days",
                    seen.len()
                ));
            }
        }
        let off =
            channels.iter().filter(|channel| !channel.enabled && route.channels.contains(&channel.name));
        warnings.extend(off.map(|channel| format!("its channel `{}` is switched off", channel.name)));
    }
    if !routes.iter().any(|route| matches_all(&route)) {
        warnings.push(
            "no enabled route matches everything, so nobody is told of incidents that none matches (`no_route`)"
                .to_owned(),
        );
    }
    Ok(warnings)
}

/// Whether a route matches an alert in any state: one that fires now will be over at some time.
fn could_match(route: &Route, alert: &Alert) -> bool {
    let origins = [Origin::IncomingWebhook, Origin::CheckerGenerated, Origin::Api];
    AlertStatus::ALL.iter().any(|status| {
        origins.iter().any(|origin| {
            route.matches(&Subject {
                source: alert.source.as_str(),
                severity: alert.severity,
                status: *status,
                instance: domain::alert::instance(&alert.labels),
                origin: *origin,
                labels: &alert.labels,
            })
        })
    })
}
