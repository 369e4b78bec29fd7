//! The life of an incident: every state, everything that can happen in it, and what comes of that.
//!
//! [`step`] is the whole table; nothing else moves an incident from one state to another.

use crate::alert::words;
use crate::incident::IncidentStatus;

words! {
    /// What a person does to an incident.
    Action {
        /// Takes it.
        Acknowledge = "acknowledge",
        /// Gives it back.
        Unacknowledge = "unacknowledge",
        /// Says that it is over.
        Resolve = "resolve",
        /// Puts it away.
        Close = "close",
        /// Says something about it.
        Comment = "comment",
    }
}

/// Something that happens to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// None of its alerts holds any more.
    Over,
    /// The last of its alerts that nobody had taken was taken, at the sender's side.
    Taken,
    /// An alert of it that was over holds again.
    Refired,
    /// An alert of it that never stopped is worse than the incident has been.
    Worsened,
    /// A person does something.
    Person(Action),
}

/// What comes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The incident is in this state from now on.
    To(IncidentStatus),
    /// It stays as it is: it is there already, or the event does not concern its state.
    Stays,
    /// It makes no sense here, and who asked is told so.
    Refused,
}

/// What comes of an event in a state.
///
/// Resolved and closed differ in what alerts can do: what a person resolved opens again when an alert that
/// never stopped gets worse; what a person closed opens only when an alert fires anew.
pub const fn step(from: IncidentStatus, event: Event) -> Step {
    use Action as A;
    use IncidentStatus as S;
    match (event, from) {
        (Event::Over, S::Open | S::Acknowledged) => Step::To(S::Resolved),
        (Event::Over, S::Resolved | S::Closed) => Step::Stays,

        (Event::Taken, S::Open) => Step::To(S::Acknowledged),
        (Event::Taken, S::Acknowledged | S::Resolved | S::Closed) => Step::Stays,

        (Event::Refired, S::Open | S::Acknowledged) => Step::Stays,
        (Event::Refired, S::Resolved | S::Closed) => Step::To(S::Open),

        (Event::Worsened, S::Open | S::Acknowledged | S::Closed) => Step::Stays,
        (Event::Worsened, S::Resolved) => Step::To(S::Open),

        (Event::Person(A::Acknowledge), S::Open) => Step::To(S::Acknowledged),
        (Event::Person(A::Acknowledge), S::Acknowledged) => Step::Stays,
        (Event::Person(A::Acknowledge), S::Resolved | S::Closed) => Step::Refused,

        (Event::Person(A::Unacknowledge), S::Open) => Step::Stays,
        (Event::Person(A::Unacknowledge), S::Acknowledged) => Step::To(S::Open),
        (Event::Person(A::Unacknowledge), S::Resolved | S::Closed) => Step::Refused,

        (Event::Person(A::Resolve), S::Open | S::Acknowledged) => Step::To(S::Resolved),
        (Event::Person(A::Resolve), S::Resolved) => Step::Stays,
        (Event::Person(A::Resolve), S::Closed) => Step::Refused,

        (Event::Person(A::Close), S::Open | S::Acknowledged | S::Resolved) => Step::To(S::Closed),
        (Event::Person(A::Close), S::Closed) => Step::Stays,

        (Event::Person(A::Comment), _) => Step::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One word per state, in the order of [`IncidentStatus::ALL`]: open, acknowledged, resolved, closed.
    const TABLE: &[(Event, &str)] = &[
        (Event::Over, "resolved resolved - -"),
        (Event::Taken, "acknowledged - - -"),
        (Event::Refired, "- - open open"),
        (Event::Worsened, "- - open -"),
        (Event::Person(Action::Acknowledge), "acknowledged - refused refused"),
        (Event::Person(Action::Unacknowledge), "- open refused refused"),
        (Event::Person(Action::Resolve), "resolved resolved - refused"),
        (Event::Person(Action::Close), "closed closed closed -"),
        (Event::Person(Action::Comment), "- - - -"),
    ];

    #[test]
    fn every_event_in_every_state_does_what_the_table_says() {
        for (event, steps) in TABLE {
            let steps: Vec<&str> = steps.split(' ').collect();
            assert_eq!(steps.len(), IncidentStatus::ALL.len());
            for (from, expected) in IncidentStatus::ALL.iter().zip(steps) {
                let expected = match expected {
                    "-" => Step::Stays,
                    "refused" => Step::Refused,
                    state => Step::To(state.parse().unwrap()),
                };
                assert_eq!(step(*from, *event), expected, "{event:?} while {from}");
            }
        }
        for action in Action::ALL {
            assert!(TABLE.iter().any(|(event, _)| *event == Event::Person(*action)), "{action}");
        }
    }

    #[test]
    fn no_step_leads_to_where_it_began() {
        for (event, _) in TABLE {
            for from in IncidentStatus::ALL {
                assert_ne!(step(*from, *event), Step::To(*from), "{event:?} while {from}");
            }
        }
    }
}
