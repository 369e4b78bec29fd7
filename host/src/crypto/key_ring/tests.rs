use std::collections::HashSet;

use super::*;
use crate::crypto::{SecretKey, renew, rewrap};

const FIRST: &str = "8f1d2c3b4a59687706f5e4d3c2b1a09f1e2d3c4b5a69788716f5e4d3c2b1a08e";
const SECOND: &str = "03c4f2a19be7d05866f1a2b3948c7d6e5f40312213a4b5c6d7e8f90a1b2c3d4f";

const PLACE: Place<'static> = Place { table: "channels", column: "secrets", row: "01J" };

fn key(text: &str) -> SecretKey {
    SecretKey::parse("WATCHBELL_SECRET_KEY", text).unwrap()
}

fn only(text: &str) -> SecretKeys {
    SecretKeys { current: key(text), previous: Vec::new() }
}

fn rotated() -> SecretKeys {
    SecretKeys { current: key(SECOND), previous: vec![key(FIRST)] }
}

/// Identifiers that count up from `first`.
fn mint(first: u128) -> impl FnMut() -> Ulid {
    let mut next = first;
    move || {
        next += 1;
        Ulid(next)
    }
}

fn open_at(keys: &SecretKeys, stored: &[WrappedKey], now: i64) -> (KeyRing, Vec<WrappedKey>) {
    let mut mint = mint(u128::try_from(now).unwrap() * 100);
    KeyRing::open(keys, stored, Timestamp::from_micros(now), &mut mint).unwrap()
}

fn ring() -> KeyRing {
    open_at(&only(FIRST), &[], 1).0
}

#[test]
fn values_open_again_in_their_place() {
    let ring = ring();
    for purpose in Purpose::ALL {
        for value in [&b""[..], b"x", &[0xff; 5000]] {
            let sealed = ring.seal(purpose, PLACE, value).unwrap();
            assert_eq!(ring.open_value(purpose, PLACE, &sealed).unwrap(), value);
        }
    }
}

#[test]
fn another_row_column_table_or_purpose_is_refused() {
    let ring = ring();
    let sealed = ring.seal(Purpose::Channel, PLACE, b"token").unwrap();
    let places = [
        Place { row: "01K", ..PLACE },
        Place { column: "settings", ..PLACE },
        Place { table: "routes", ..PLACE },
        // The parts joined are those of PLACE; only their borders moved.
        Place { table: "channel", column: "ssecrets", row: "01J" },
        Place { table: "channels", column: "secrets0", row: "1J" },
    ];
    for place in places {
        let refused = ring.open_value(Purpose::Channel, place, &sealed);
        assert!(matches!(refused, Err(CryptoError::Tampered(_))), "{place:?}");
    }
    for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Channel) {
        assert!(ring.open_value(purpose, PLACE, &sealed).is_err(), "{purpose}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let ring = ring();
    let value = b"{\"labels\":{\"instance\":\"db1\"}}".repeat(3);
    let plain = ring.seal(Purpose::Payload, PLACE, &value).unwrap();
    let compressed = ring.seal_compressed(Purpose::Payload, PLACE, &value).unwrap();
    for index in 0..plain.len() {
        for bit in 0..8 {
            let mut changed = plain.clone();
            changed[index] ^= 1 << bit;
            assert!(ring.open_value(Purpose::Payload, PLACE, &changed).is_err(), "byte {index} bit {bit}");
        }
        assert!(ring.open_value(Purpose::Payload, PLACE, &plain[..index]).is_err(), "cut at {index}");
    }
    for index in 0..compressed.len() {
        for bit in 0..8 {
            let mut changed = compressed.clone();
            changed[index] ^= 1 << bit;
            let opened = ring.open_compressed(Purpose::Payload, PLACE, &changed, 1000);
            assert!(opened.is_err(), "byte {index} bit {bit}");
        }
    }
}

#[test]
fn plain_and_compressed_values_are_not_taken_for_each_other() {
    let ring = ring();
    let mut plain = ring.seal(Purpose::Payload, PLACE, b"value").unwrap();
    assert!(matches!(
        ring.open_compressed(Purpose::Payload, PLACE, &plain, 10),
        Err(CryptoError::Format { .. })
    ));
    plain[0] = 2;
    assert!(matches!(
        ring.open_compressed(Purpose::Payload, PLACE, &plain, 10),
        Err(CryptoError::Tampered(_))
    ));
}

#[test]
fn decompression_stops_at_the_limit() {
    let ring = ring();
    let bomb = vec![0; 4 << 20];
    let sealed = ring.seal_compressed(Purpose::Payload, PLACE, &bomb).unwrap();
    assert!(sealed.len() < 1000, "{}", sealed.len());
    assert_eq!(ring.open_compressed(Purpose::Payload, PLACE, &sealed, bomb.len()).unwrap(), bomb);
    let refused = ring.open_compressed(Purpose::Payload, PLACE, &sealed, bomb.len() - 1);
    assert!(matches!(refused, Err(CryptoError::TooLarge { .. })));
}

#[test]
fn stored_keys_open_what_was_sealed_and_no_new_ones_are_made() {
    let (first, stored) = open_at(&only(FIRST), &[], 1);
    assert_eq!(stored.len(), Purpose::ALL.len());
    let sealed = first.seal(Purpose::Delivery, PLACE, b"value").unwrap();
    let (second, fresh) = open_at(&only(FIRST), &stored, 2);
    assert!(fresh.is_empty());
    assert_eq!(second.open_value(Purpose::Delivery, PLACE, &sealed).unwrap(), b"value");
}

#[test]
fn wrong_secret_key_is_refused_and_both_identifiers_are_named() {
    let (_, stored) = open_at(&only(FIRST), &[], 1);
    let error = KeyRing::open(&only(SECOND), &stored, Timestamp::default(), &mut mint(9)).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(key(FIRST).kek_id()) && message.contains(key(SECOND).kek_id()), "{message}");
    assert!(message.contains("hint: ") && message.contains("WATCHBELL_SECRET_KEY"), "{message}");
}

#[test]
fn previous_secret_key_opens_and_rewrapping_makes_it_needless() {
    let (ring, stored) = open_at(&only(FIRST), &[], 1);
    let sealed = ring.seal(Purpose::Payload, PLACE, b"value").unwrap();
    let (rotating, fresh) = open_at(&rotated(), &stored, 2);
    assert!(fresh.is_empty());
    assert_eq!(rotating.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");

    let rewrapped: Vec<_> = stored.iter().map(|key| rewrap(key, &rotated()).unwrap()).collect();
    assert!(rewrapped.iter().all(|wrapped| wrapped.kek_id == key(SECOND).kek_id()));
    let (after, _) = open_at(&only(SECOND), &rewrapped, 3);
    assert_eq!(after.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");
    assert!(rewrap(&rewrapped[0], &only(FIRST)).is_err());
}

/// Seconds, as microseconds.
const fn s(seconds: i64) -> i64 {
    seconds * 1_000_000
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(s(seconds))
}

#[test]
fn newest_data_key_seals_once_everybody_can_know_it_and_older_ones_still_open() {
    let (ring, mut stored) = open_at(&only(FIRST), &[], s(1));
    let old = ring.seal(Purpose::Payload, PLACE, b"old").unwrap();
    stored.extend(renew(&only(FIRST), &stored, time(100), &mut mint(9000)).unwrap());
    let newest = stored.iter().rfind(|key| key.purpose == Purpose::Payload).unwrap();
    assert_eq!(newest.generation, 2);
    let sealed_at = |now| {
        ring.reload(&only(FIRST), &stored, time(now)).unwrap();
        ring.seal(Purpose::Payload, PLACE, b"new").unwrap()
    };
    assert_eq!(sealed_at(159)[1..17], old[1..17], "others may not know the new one yet");
    let new = sealed_at(160);
    assert_eq!(new[1..17], id_bytes(newest.id).unwrap());
    assert_eq!(ring.open_value(Purpose::Payload, PLACE, &old).unwrap(), b"old");
    assert_eq!(ring.open_value(Purpose::Payload, PLACE, &new).unwrap(), b"new");
    let before = open_at(&only(FIRST), &stored[..5], s(200)).0;
    let missing = before.open_value(Purpose::Payload, PLACE, &new);
    assert!(matches!(missing, Err(CryptoError::UnknownDataKey(id)) if id == newest.id));
}

#[test]
fn a_running_process_survives_a_secret_key_that_it_does_not_know_and_says_so() {
    let (ring, stored) = open_at(&only(FIRST), &[], 1);
    let sealed = ring.seal(Purpose::Payload, PLACE, b"value").unwrap();
    let mut rewrapped: Vec<_> = stored.iter().map(|key| rewrap(key, &rotated()).unwrap()).collect();
    rewrapped.extend(renew(&only(FIRST), &rewrapped, time(0), &mut mint(900)).unwrap());
    let error = ring.reload(&only(FIRST), &rewrapped, time(100)).unwrap_err().to_string();
    assert!(error.contains(key(SECOND).kek_id()), "{error}");
    assert!(error.contains("first every host gets the new key as a previous one"), "{error}");
    assert_eq!(ring.open_value(Purpose::Payload, PLACE, &sealed).unwrap(), b"value");
    // What can be opened is taken over all the same.
    let new = ring.seal(Purpose::Payload, PLACE, b"new").unwrap();
    assert_ne!(new[1..17], sealed[1..17]);
}

#[test]
fn checking_a_value_finds_what_opening_it_would() {
    let ring = ring();
    let plain = ring.seal(Purpose::Channel, PLACE, b"value").unwrap();
    let compressed = ring.seal_compressed(Purpose::Channel, PLACE, b"value").unwrap();
    for sealed in [plain, compressed] {
        ring.check_value(Purpose::Channel, PLACE, &sealed).unwrap();
        assert!(ring.check_value(Purpose::Payload, PLACE, &sealed).is_err());
        assert!(ring.check_value(Purpose::Channel, Place { row: "01K", ..PLACE }, &sealed).is_err());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(ring.check_value(Purpose::Channel, PLACE, &changed).is_err(), "byte {index}");
        }
    }
    assert!(ring.check_value(Purpose::Channel, PLACE, b"").is_err());
}

#[test]
fn changed_wrapped_keys_are_refused() {
    let (_, stored) = open_at(&only(FIRST), &[], 1);
    let change = |edit: &dyn Fn(&mut WrappedKey)| {
        let mut changed = stored.clone();
        edit(&mut changed[0]);
        KeyRing::open(&only(FIRST), &changed, Timestamp::default(), &mut mint(9)).unwrap_err()
    };
    for index in 0..stored[0].wrapped.len() {
        let error = change(&|key| key.wrapped[index] ^= 1);
        assert!(matches!(error, CryptoError::DamagedKey(_)), "byte {index}");
    }
    assert!(matches!(change(&|key| key.purpose = Purpose::Delivery), CryptoError::DamagedKey(_)));
    assert!(matches!(change(&|key| key.generation = 2), CryptoError::DamagedKey(_)));
    assert!(matches!(change(&|key| key.id = DataKeyId::from(Ulid(5))), CryptoError::DamagedKey(_)));
    assert!(matches!(change(&|key| key.wrapped.clear()), CryptoError::DamagedKey(_)));
}

/// Values of one data key, and wrappings under one secret key, whichever process makes them.
#[test]
fn nonces_never_repeat() {
    const EACH: usize = 10_000;
    let stored = open_at(&only(FIRST), &[], 1).1;
    let mut seen = HashSet::new();
    for start in 0..4 {
        let ring = open_at(&only(FIRST), &stored, start).0;
        for _ in 0..EACH {
            let sealed = ring.seal(Purpose::Channel, PLACE, b"same").unwrap();
            assert!(seen.insert(sealed[17..41].to_vec()));
        }
    }
    for _ in 0..EACH / 10 {
        let wrapped = rewrap(&stored[0], &rotated()).unwrap().wrapped;
        assert!(seen.insert(wrapped[1..25].to_vec()));
    }
    // Not a counter either: every byte takes every value.
    for place in 0..24 {
        let values: HashSet<u8> = seen.iter().map(|nonce| nonce[place]).collect();
        assert_eq!(values.len(), 256, "byte {place}");
    }
}

#[test]
fn keys_are_in_no_debug_text() {
    let (ring, stored) = open_at(&rotated(), &[], 1);
    let keys = rotated();
    let told = format!("{ring:?} {keys:?} {stored:?} {:?}", keys.current.kek());
    let data_keys: Vec<Vec<u8>> = ring.keys.load().iter().map(|key| key.key.expose().to_vec()).collect();
    let material = [FIRST, SECOND].map(|text| hex::decode(text).unwrap());
    for bytes in data_keys.iter().chain(&material).chain([&keys.current.kek().expose().to_vec()]) {
        let list = format!("{bytes:?}");
        for shown in [hex::encode(bytes), list.trim_matches(['[', ']']).to_owned()] {
            assert!(!told.contains(&shown), "{told}");
        }
    }
}

#[test]
fn purposes_survive_their_word() {
    for purpose in Purpose::ALL {
        assert_eq!(purpose.as_str().parse::<Purpose>().unwrap(), purpose);
    }
    assert!("other".parse::<Purpose>().is_err());
}
