//! Golden inputs, changed: what a template of somebody's, a new version of the sender or a broken line makes
//! of them.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::any_json::{Json, Vocabulary, odd_scalar};

/// The largest body that the host hands on.
pub(crate) const MAX_BODY: usize = 5 * 1024 * 1024 / 2;

/// What is done to an input, at places that are counted when it is done.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    /// An entry of an object or list goes.
    Drop(Index, Index),
    /// An entry stands twice; in an object that is the same key twice.
    Duplicate(Index, Index),
    /// Two values change places.
    Swap(Index, Index),
    /// A value becomes another one.
    Replace(Index, Json),
    /// A value of a golden input of any driver comes in.
    Splice(Index, Index),
    /// A key becomes another one.
    Rename(Index, Index, String),
    /// A value gets lists or objects around it.
    Nest(Index, usize, bool),
    /// The entries of a list stand there as often as fits.
    Repeat(Index, usize),
    /// The text ends early.
    Cut(Index),
    /// One bit of one byte changes.
    Flip(Index, u8),
    /// Bytes come in.
    Insert(Index, Vec<u8>),
}

/// Any mutation.
pub(crate) fn mutation(words: &Vocabulary) -> BoxedStrategy<Mutation> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), at()).prop_map(|(place, entry)| Mutation::Drop(place, entry)),
        2 => (at(), at()).prop_map(|(place, entry)| Mutation::Duplicate(place, entry)),
        3 => (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        5 => (at(), odd_scalar()).prop_map(|(place, value)| Mutation::Replace(place, value)),
        3 => (at(), words.scalar()).prop_map(|(place, value)| Mutation::Replace(place, value)),
        3 => (at(), at()).prop_map(|(place, what)| Mutation::Splice(place, what)),
        2 => (at(), at(), words.key()).prop_map(|(place, entry, key)| Mutation::Rename(place, entry, key)),
        1 => (at(), 1..300_usize, any::<bool>())
            .prop_map(|(place, depth, list)| Mutation::Nest(place, depth, list)),
        1 => (at(), 1..100_usize).prop_map(|(place, times)| Mutation::Repeat(place, times)),
        1 => at().prop_map(Mutation::Cut),
        2 => (at(), 0..8_u8).prop_map(|(place, bit)| Mutation::Flip(place, bit)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..5))
            .prop_map(|(place, bytes)| Mutation::Insert(place, bytes)),
    ]
    .boxed()
}

/// The body that these mutations make of an input; `foreign` is what [`Mutation::Splice`] takes from.
pub(crate) fn mutated(input: &Json, mutations: &[Mutation], foreign: &[Json]) -> Vec<u8> {
    let mut document = input.clone();
    for mutation in mutations {
        change_value(&mut document, mutation, foreign);
    }
    let mut body = String::new();
    document.write(&mut body);
    let mut body = body.into_bytes();
    for mutation in mutations {
        change_bytes(&mut body, mutation);
    }
    body.truncate(MAX_BODY);
    body
}

fn at<'j>(document: &'j mut Json, place: &Index) -> &'j mut Json {
    let count = document.count();
    document.at(place.index(count)).unwrap()
}

fn change_value(document: &mut Json, mutation: &Mutation, foreign: &[Json]) {
    match mutation {
        Mutation::Drop(place, entry) => match at(document, place) {
            Json::List(items) if !items.is_empty() => drop(items.remove(entry.index(items.len()))),
            Json::Object(fields) if !fields.is_empty() => drop(fields.remove(entry.index(fields.len()))),
            value => *value = Json::Raw("null".to_owned()),
        },
        Mutation::Duplicate(place, entry) => match at(document, place) {
            Json::List(items) if !items.is_empty() => items.push(items[entry.index(items.len())].clone()),
            Json::Object(fields) if !fields.is_empty() => {
                fields.push(fields[entry.index(fields.len())].clone());
            }
            value => *value = Json::List(vec![value.clone(), value.clone()]),
        },
        Mutation::Swap(one, other) => {
            let (first, second) = (at(document, one).clone(), at(document, other).clone());
            *at(document, one) = second;
            // The first place may have held the second, which is then another one.
            *at(document, other) = first;
        }
        Mutation::Replace(place, value) => *at(document, place) = value.clone(),
        Mutation::Splice(place, what) => {
            let mut source = foreign[what.index(foreign.len())].clone();
            let part = what.index(source.count());
            *at(document, place) = source.at(part).unwrap().clone();
        }
        Mutation::Rename(place, entry, key) => {
            if let Json::Object(fields) = at(document, place)
                && !fields.is_empty()
            {
                let entry = entry.index(fields.len());
                fields[entry].0.clone_from(key);
            }
        }
        Mutation::Nest(place, depth, in_lists) => {
            let value = at(document, place);
            for _ in 0..*depth {
                let inner = value.clone();
                *value = if *in_lists {
                    Json::List(vec![inner])
                } else {
                    Json::Object(vec![("alerts".to_owned(), inner)])
                };
            }
        }
        Mutation::Repeat(place, times) => {
            if let Json::List(items) = at(document, place)
                && items.len() < 100
            {
                *items = std::iter::repeat_n(items.clone(), *times).flatten().collect();
            }
        }
        Mutation::Cut(_) | Mutation::Flip(..) | Mutation::Insert(..) => {}
    }
}

fn change_bytes(body: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Cut(place) => body.truncate(place.index(body.len() + 1)),
        Mutation::Flip(place, bit) if !body.is_empty() => {
            let place = place.index(body.len());
            body[place] ^= 1 << bit;
        }
        Mutation::Insert(place, bytes) => {
            let place = place.index(body.len() + 1);
            drop(body.splice(place..place, bytes.iter().copied()));
        }
        _ => {}
    }
}
