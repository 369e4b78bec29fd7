//! What is said of routes.

use serde_json::Value;
use utoipa::ToSchema;

use super::{AlertStatus, Id, Labels, Origin, Severity, Time};

words! {
    /// How a field is compared.
    Operator = domain::route::Operator;
}

/// One condition of a route.
#[derive(ToSchema)]
pub(crate) struct Condition {
    /// `source`, `severity`, `status`, `instance`, `origin` or `label:<key>`.
    field: String,
    /// `is` unless it is said.
    #[schema(required = false)]
    op: Operator,
    /// A text, or for `in` and `not-in` a list of texts.
    value: Value,
}

/// A stage that a route may have.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RouteStage {
    Check,
    Analyze,
    Notify,
}

/// A rule that picks stages and channels.
#[derive(ToSchema)]
pub(crate) struct Route {
    id: Id,
    name: String,
    /// The lowest is asked first; the identifier breaks ties.
    priority: i32,
    conditions: Vec<Condition>,
    stages: Vec<RouteStage>,
    /// Empty stands for every enabled channel.
    channels: Vec<String>,
    enabled: bool,
}

/// A route, and how often it was taken.
#[derive(ToSchema)]
pub(crate) struct KeptRoute {
    #[serde(flatten)]
    route: Route,
    /// How many runs have taken it.
    hits: u64,
    /// When the last of them did.
    last_hit_at: Option<Time>,
}

/// A route that cannot be understood; it matches nothing.
#[derive(ToSchema)]
pub(crate) struct BrokenRoute {
    id: String,
    name: String,
    /// What is wrong with it.
    problem: String,
}

/// All routes in the order in which they are asked, and those that cannot be understood.
#[derive(ToSchema)]
pub(crate) struct RouteList {
    routes: Vec<KeptRoute>,
    broken: Vec<BrokenRoute>,
}

/// One route.
#[derive(ToSchema)]
pub(crate) struct ShownRoute {
    route: KeptRoute,
}

/// A route that was kept.
#[derive(ToSchema)]
pub(crate) struct ChangedRoute {
    route: Route,
    /// What may not be meant.
    warnings: Vec<String>,
}

/// A route that is gone.
#[derive(ToSchema)]
pub(crate) struct RemovedRoute {
    id: Id,
    /// What may not be meant.
    warnings: Vec<String>,
}

/// What a route is asked about.
#[derive(ToSchema)]
pub(crate) struct Probe {
    source: String,
    severity: Severity,
    status: AlertStatus,
    instance: Option<String>,
    origin: Origin,
    labels: Labels,
}

/// What one route says.
#[derive(ToSchema)]
pub(crate) struct AskedRoute {
    name: String,
    priority: i32,
    enabled: bool,
    matches: bool,
    /// Why, or why not.
    because: Vec<String>,
}

/// What would become of one alert.
#[derive(ToSchema)]
pub(crate) struct RouteTrial {
    alert: Probe,
    /// In the order in which they are asked.
    routes: Vec<AskedRoute>,
    /// The route that is taken; none where nobody would be told.
    route: Option<String>,
    stages: Vec<RouteStage>,
    /// Those that would be told.
    channels: Vec<String>,
    /// Routes that were not asked, because they cannot be understood.
    broken: Vec<String>,
}

/// What would become of each alert.
#[derive(ToSchema)]
pub(crate) struct RouteTrials {
    trials: Vec<RouteTrial>,
}
