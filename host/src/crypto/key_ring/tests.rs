use std::collections::HashSet;

use super::*;

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
    for purpose in [Purpose::Payload, Purpose::Artifact, Purpose::Delivery] {
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
        let mut changed = compressed.clone();
        changed[index] ^= 0x40;
        assert!(ring.open_compressed(Purpose::Payload, PLACE, &changed, 1000).is_err(), "byte {index}");
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

#[test]
fn newest_data_key_seals_and_older_ones_still_open() {
    let (old_ring, mut stored) = open_at(&only(FIRST), &[], 1);
    let (_, newer) = open_at(&only(FIRST), &[], 2);
    let old = old_ring.seal(Purpose::Payload, PLACE, b"old").unwrap();
    stored.extend(newer.clone());
    let (ring, _) = open_at(&only(FIRST), &stored, 3);
    assert_eq!(ring.open_value(Purpose::Payload, PLACE, &old).unwrap(), b"old");
    let new = ring.seal(Purpose::Payload, PLACE, b"new").unwrap();
    let newest = newer.iter().find(|key| key.purpose == Purpose::Payload).unwrap();
    assert_eq!(new[1..17], id_bytes(newest.id).unwrap());
    let missing = old_ring.open_value(Purpose::Payload, PLACE, &new);
    assert!(matches!(missing, Err(CryptoError::UnknownDataKey(id)) if id == newest.id));
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
    assert!(matches!(change(&|key| key.id = DataKeyId::from(Ulid(5))), CryptoError::DamagedKey(_)));
    assert!(matches!(change(&|key| key.wrapped.clear()), CryptoError::DamagedKey(_)));
}

#[test]
fn nonces_never_repeat() {
    let ring = ring();
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let sealed = ring.seal(Purpose::Channel, PLACE, b"same").unwrap();
        assert!(seen.insert(sealed[17..41].to_vec()));
    }
}

#[test]
fn purposes_survive_their_word() {
    for purpose in Purpose::ALL {
        assert_eq!(purpose.as_str().parse::<Purpose>().unwrap(), purpose);
    }
    assert!("other".parse::<Purpose>().is_err());
}
