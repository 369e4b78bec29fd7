//! Every route, and who may call it.
//!
//! The table is the word on access: a route that is served but not listed here answers as if it were not
//! there (`layer::key`), so that a new one cannot be forgotten.

use axum::http::Method;

/// What a request needs before its handler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: who probes for life has no key.
    Nothing,
    /// A key that may call the path.
    Key,
    /// A management key.
    Management,
}

impl Needs {
    /// A word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Key => "key",
            Self::Management => "management",
        }
    }
}

/// One route. HEAD goes with GET; OPTIONS is answered wherever a key may call.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Upper case.
    pub method: &'static str,
    /// Without a slash at its end; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may call it.
    pub needs: Needs,
}

const fn open(path: &'static str) -> Route {
    Route { method: "GET", path, needs: Needs::Nothing }
}

const fn get(path: &'static str) -> Route {
    Route { method: "GET", path, needs: Needs::Key }
}

const fn post(path: &'static str) -> Route {
    Route { method: "POST", path, needs: Needs::Key }
}

const fn manage(method: &'static str, path: &'static str) -> Route {
    Route { method, path, needs: Needs::Management }
}

/// All of them.
pub const ROUTES: &[Route] = &[
    open("/alerts/webhook"),
    post("/alerts/webhook"),
    post("/alerts/webhook/{driver}"),
    get("/alerts"),
    get("/alerts/{id}"),
    post("/alerts/{id}/{action}"),
    get("/incidents"),
    get("/incidents/{id}"),
    post("/incidents/{id}/{action}"),
    open("/intelligence/health"),
    get("/intelligence/providers"),
    get("/intelligence/recommendations"),
    post("/intelligence/recommendations"),
    get("/intelligence/memory"),
    get("/intelligence/disk"),
    get("/orchestration/pipelines"),
    post("/orchestration/pipeline"),
    post("/orchestration/pipeline/sync"),
    get("/orchestration/pipeline/{run_id}"),
    post("/orchestration/pipeline/{run_id}/resume"),
    get("/orchestration/why/{id}"),
    get("/orchestration/trace/{trace_id}"),
    post("/notify/send"),
    post("/notify/send/{driver}"),
    post("/notify/batch"),
    get("/notify/drivers"),
    get("/notify/drivers/{driver}"),
    manage("GET", "/manage/channels"),
    manage("POST", "/manage/channels"),
    manage("GET", "/manage/channels/{id}"),
    manage("PATCH", "/manage/channels/{id}"),
    manage("DELETE", "/manage/channels/{id}"),
    manage("POST", "/manage/channels/{id}/test"),
    manage("POST", "/manage/channels/{id}/disable"),
    manage("POST", "/manage/channels/{id}/enable"),
    manage("GET", "/manage/deliveries"),
    manage("POST", "/manage/deliveries/retry"),
    manage("GET", "/manage/deliveries/{id}"),
    manage("POST", "/manage/deliveries/{id}/retry"),
    manage("GET", "/manage/hosts"),
    manage("GET", "/manage/keys"),
    manage("POST", "/manage/keys"),
    manage("POST", "/manage/keys/{id}/revoke"),
    manage("GET", "/manage/plugins"),
    manage("GET", "/manage/plugins/{kind}/{name}"),
    manage("POST", "/manage/plugins/{kind}/{name}/approve"),
    manage("POST", "/manage/plugins/{kind}/{name}/disable"),
    manage("POST", "/manage/plugins/{kind}/{name}/enable"),
    manage("POST", "/manage/plugins/{kind}/{name}/rollback"),
    manage("GET", "/manage/providers"),
    manage("GET", "/manage/providers/{name}"),
    manage("PUT", "/manage/providers/{name}"),
    manage("DELETE", "/manage/providers/{name}"),
    manage("POST", "/manage/providers/{name}/activate"),
    manage("POST", "/manage/providers/{name}/test"),
    manage("GET", "/manage/quarantine"),
    manage("POST", "/manage/quarantine/reparse"),
    manage("POST", "/manage/quarantine/discard"),
    manage("GET", "/manage/quarantine/{run_id}"),
    manage("POST", "/manage/quarantine/{run_id}/reparse"),
    manage("POST", "/manage/quarantine/{run_id}/discard"),
    manage("POST", "/manage/replay/{run_id}"),
    manage("GET", "/manage/routes"),
    manage("POST", "/manage/routes"),
    manage("POST", "/manage/routes/test"),
    manage("GET", "/manage/routes/{id}"),
    manage("PATCH", "/manage/routes/{id}"),
    manage("DELETE", "/manage/routes/{id}"),
    manage("GET", "/manage/runs/{run_id}/outputs"),
    manage("GET", "/manage/secrets"),
    manage("POST", "/manage/secrets/webhook/{driver}"),
    manage("POST", "/manage/secrets/webhook/{driver}/remove"),
    get("/metrics"),
    get("/openapi.json"),
    open("/healthz"),
    open("/readyz"),
];

/// What is listed for a path that the router matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// This method, and what it needs.
    As(Needs),
    /// Other methods only.
    Otherwise,
    /// Nothing.
    Not,
}

/// Looks a method and the matched path up.
pub(super) fn find(method: &Method, path: &str) -> Listed {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut listed = Listed::Not;
    for route in ROUTES.iter().filter(|route| route.path == path) {
        if route.method == method {
            return Listed::As(route.needs);
        }
        listed = Listed::Otherwise;
    }
    listed
}

#[cfg(test)]
mod tests {
    use domain::key::is_management;

    use super::*;

    #[test]
    fn management_is_what_only_a_management_key_opens() {
        for route in ROUTES {
            assert_eq!(route.needs == Needs::Management, is_management(route.path), "{}", route.path);
        }
    }

    #[test]
    fn what_needs_no_key_is_read_only_and_these_four() {
        let open: Vec<_> = ROUTES.iter().filter(|route| route.needs == Needs::Nothing).collect();
        assert!(open.iter().all(|route| route.method == "GET"));
        let paths: Vec<_> = open.iter().map(|route| route.path).collect();
        assert_eq!(paths, ["/alerts/webhook", "/intelligence/health", "/healthz", "/readyz"]);
    }

    #[test]
    fn exemption_is_by_exact_method_and_path_with_head_as_get() {
        let needs = |method: Method, path| find(&method, path);
        assert_eq!(needs(Method::HEAD, "/healthz"), Listed::As(Needs::Nothing));
        assert_eq!(needs(Method::POST, "/alerts/webhook"), Listed::As(Needs::Key));
        assert_eq!(needs(Method::PUT, "/healthz"), Listed::Otherwise);
        assert_eq!(needs(Method::OPTIONS, "/healthz"), Listed::Otherwise);
        assert_eq!(needs(Method::GET, "/healthz/x"), Listed::Not);
    }
}
