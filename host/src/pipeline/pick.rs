//! Which route a run takes.

use domain::alert::{AlertStatus, Labels};
use domain::incident::Material;
use domain::route::{Route, Subject, choose};
use domain::run::{IncidentMoment, Stage};
use store::{BrokenRoute, ClaimedRun, Fault, IncidentContext, RouteTaken, Routes};

use super::fault;

/// Finds the route of a run, with why it is this one where the run takes it now. A run that was taken up
/// again keeps the route that it took.
pub(super) fn pick(
    run: &ClaimedRun,
    context: &IncidentContext,
    routes: Routes,
) -> Result<(Route, Option<RouteTaken>), Fault> {
    if let Some(noted) = &run.run.route
        && let Some(kept) = routes.routes.iter().find(|kept| kept.route.name == *noted)
    {
        let mut route = kept.route.clone();
        only_tells(&mut route, &run.moment);
        return Ok((route, None));
    }
    let none = Labels::new();
    let subject = Subject {
        source: run.run.source.as_deref().unwrap_or_default(),
        severity: run.moment.severity,
        status: run.moment.status,
        instance: context.incident.instance.as_deref(),
        origin: run.moment.origin,
        labels: context.alerts.first().map_or(&none, |alert| &alert.labels),
    };
    let (mut route, mut taken) = take(routes, &subject)?;
    if only_tells(&mut route, &run.moment) {
        taken.reason.push_str("; it only tells, because nothing is wrong that was not before");
    }
    Ok((route, Some(taken)))
}

/// Leaves a route its notify stage alone where there is nothing to look into: somebody did something to the
/// incident, here or at the sender's side. One that tells nobody keeps its stages. Says whether it left any out.
fn only_tells(route: &mut Route, moment: &IncidentMoment) -> bool {
    let was_taken = moment.status == AlertStatus::Acknowledged && moment.reasons == [Material::Status];
    let has_more = route.stages.len() > 1 && route.stages.contains(&Stage::Notify);
    let only_tells = has_more && (moment.by.is_some() || was_taken);
    if only_tells {
        route.stages = vec![Stage::Notify];
    }
    only_tells
}

/// The first route that matches, and why it does.
fn take(routes: Routes, subject: &Subject<'_>) -> Result<(Route, RouteTaken), Fault> {
    let Routes { routes, broken } = routes;
    let broken: Vec<String> = broken.iter().map(|BrokenRoute { name, .. }| format!("`{name}`")).collect();
    let broken = broken.join(", ");
    let Some(route) = choose(&mut routes.into_iter().map(|kept| kept.route), subject) else {
        return Err(nobody(&broken));
    };
    let mut reason = route.verdict(subject).because.join(" and ");
    if !broken.is_empty() {
        reason.push_str(&format!("; not asked, because they cannot be understood: {broken}"));
        tracing::error!(
            error.r#type = "bad_route",
            "routes that cannot be understood are not asked: {broken}"
        );
    }
    let taken = RouteTaken { name: route.name.clone(), reason };
    Ok((route, taken))
}

/// Why nobody is told, and what to do.
fn nobody(broken: &str) -> Fault {
    if broken.is_empty() {
        let message = "no route matches this incident, so nobody was told\nhint: `watchbell route list`";
        return fault("no_route", message);
    }
    let message = format!(
        "no route matches this incident, and some cannot be understood: {broken}; nobody was told\n\
         hint: `watchbell route list` says what is wrong with them"
    );
    fault("bad_route", message)
}

#[cfg(test)]
mod tests {
    use domain::alert::Severity;
    use domain::id::{IncidentId, RouteId};
    use domain::route::{Condition, Operator};
    use domain::run::{Origin, Person};
    use store::KeptRoute;
    use ulid::Ulid;

    use super::*;

    /// Asks a route for incidents of this severity, with another one that cannot be understood, if it is named.
    fn taken(severity: &str, broken: Option<&str>) -> Result<RouteTaken, Fault> {
        let route = Route {
            id: RouteId::from(Ulid(1)),
            name: "ops".to_owned(),
            priority: 1,
            conditions: vec![Condition {
                field: "severity".to_owned(),
                op: Operator::Is,
                value: severity.into(),
            }],
            stages: vec![Stage::Notify],
            channels: Vec::new(),
            enabled: true,
        };
        let broken = broken.map(|name| BrokenRoute {
            id: "x".to_owned(),
            name: name.to_owned(),
            problem: "it is odd".to_owned(),
        });
        let routes = Routes {
            routes: vec![KeptRoute { route, hits: 0, last_hit_at: None }],
            broken: broken.into_iter().collect(),
        };
        let labels = Labels::new();
        let subject = Subject {
            source: "generic",
            severity: Severity::Critical,
            status: AlertStatus::Firing,
            instance: None,
            origin: Origin::IncomingWebhook,
            labels: &labels,
        };
        take(routes, &subject).map(|(_, taken)| taken)
    }

    #[test]
    fn the_reason_names_the_conditions_and_what_was_not_asked() {
        assert_eq!(taken("critical", None).unwrap().reason, r#"severity is "critical""#);
        let reason = taken("critical", Some("odd")).unwrap().reason;
        assert!(reason.ends_with("cannot be understood: `odd`"), "{reason}");
    }

    #[test]
    fn what_people_did_is_told_and_not_looked_into() {
        use AlertStatus::{Acknowledged, Firing, Resolved};
        use Stage::{Analyze, Check, Notify};
        const PERSON: bool = true;
        for (status, reason, by, stages, left) in [
            (Acknowledged, Material::Status, PERSON, &[Check, Analyze, Notify][..], &[Notify][..]),
            (Firing, Material::Status, PERSON, &[Check, Notify], &[Notify]),
            (Resolved, Material::Status, PERSON, &[Analyze, Notify], &[Notify]),
            (Acknowledged, Material::Status, !PERSON, &[Check, Analyze, Notify], &[Notify]),
            // It got worse, is over or is new: the route knows what to do then.
            (Acknowledged, Material::Severity, !PERSON, &[Check, Notify], &[Check, Notify]),
            (Acknowledged, Material::Created, !PERSON, &[Check, Notify], &[Check, Notify]),
            (Resolved, Material::Status, !PERSON, &[Check, Notify], &[Check, Notify]),
            (Acknowledged, Material::Status, PERSON, &[Check, Analyze], &[Check, Analyze]),
        ] {
            let by = by.then(|| Person { actor: "key:alice".to_owned(), reason: None });
            let moment = IncidentMoment {
                incident_id: IncidentId::from(Ulid(1)),
                status,
                severity: Severity::Critical,
                reasons: vec![reason],
                origin: Origin::IncomingWebhook,
                by,
            };
            let mut route = Route {
                id: RouteId::from(Ulid(1)),
                name: "ops".to_owned(),
                priority: 1,
                conditions: Vec::new(),
                stages: stages.to_vec(),
                channels: Vec::new(),
                enabled: true,
            };
            assert_eq!(only_tells(&mut route, &moment), stages != left, "{moment:?}");
            assert_eq!(route.stages, left, "{moment:?}");
        }
    }

    #[test]
    fn without_a_route_the_run_fails_and_says_whether_one_is_broken() {
        assert_eq!(taken("info", None).unwrap_err().error_type, "no_route");
        let fault = taken("info", Some("odd")).unwrap_err();
        assert_eq!(fault.error_type, "bad_route");
        assert!(fault.message.contains("`odd`") && fault.message.contains("hint:"), "{}", fault.message);
    }
}
