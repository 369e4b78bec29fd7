//! What the parts of a webhook's path cost, one by one. `cargo bench -p bench` runs it.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a measurement that cannot begin has nothing to report")]

use std::hint::black_box;

use bench::{payload, sample};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use domain::fingerprint::{correlation_key, fingerprint};
use domain::plan::{Known, Webhook, plan};
use domain::plugin::PluginName;
use domain::shape::{Shape, ShapeSet};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SIZES: [usize; 2] = [1, 20];

fn driver() -> PluginName {
    sample::driver().expect("the name is a good one")
}

fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("shapes");
    for drivers in [8, 64] {
        let named: Vec<(PluginName, Vec<Shape>)> = sample::shapes(drivers)
            .into_iter()
            .map(|(name, shapes)| (name.parse().expect("the names are good ones"), shapes))
            .collect();
        let set = ShapeSet::new(named.iter().map(|(name, shapes)| (name, shapes.as_slice())));
        for alerts in SIZES {
            let body = payload::filled(&payload::alertmanager(alerts), 1).into_bytes();
            group.throughput(Throughput::Bytes(body.len() as u64));
            let name = BenchmarkId::new(format!("{drivers} drivers"), format!("{alerts} alerts"));
            group.bench_function(name, |b| {
                b.iter(|| set.matches("application/json", |_| false, black_box(&body)))
            });
        }
    }
}

fn identities(c: &mut Criterion) {
    let driver = driver();
    let mut alert = sample::alert(1);
    alert.fingerprint = None;
    c.bench_function("fingerprint", |b| b.iter(|| fingerprint(&driver, black_box(&alert))));
    c.bench_function("correlation key", |b| {
        b.iter(|| correlation_key(&driver, "1", &alert.name, black_box(&alert.labels)));
    });
}

/// What the driver read becomes a webhook of the domain: identities for each alert.
fn conversion(c: &mut Criterion) {
    let driver = driver();
    let mut mint = sample::counter();
    let mut group = c.benchmark_group("records to webhook");
    for alerts in SIZES {
        let read: Vec<_> = (0..alerts as u64).map(sample::alert).collect();
        group.bench_function(BenchmarkId::from_parameter(format!("{alerts} alerts")), |b| {
            b.iter_batched(
                || read.clone(),
                |read| sample::webhook(&driver, &mut mint, read),
                BatchSize::SmallInput,
            );
        });
    }
}

fn plans(c: &mut Criterion) {
    let driver = driver();
    let mut mint = sample::counter();
    let mut group = c.benchmark_group("plan");
    for alerts in SIZES {
        let read: Vec<_> = (0..alerts as u64).map(sample::alert).collect();
        let webhook: Webhook = sample::webhook(&driver, &mut mint, read);
        group.bench_function(BenchmarkId::new("new incidents", format!("{alerts} alerts")), |b| {
            b.iter_batched_ref(
                Known::default,
                |known| plan(black_box(&webhook), known, &mut mint),
                BatchSize::SmallInput,
            );
        });
        let mut known = Known::default();
        plan(&webhook, &mut known, &mut mint);
        group.bench_function(BenchmarkId::new("repeats", format!("{alerts} alerts")), |b| {
            b.iter(|| plan(black_box(&webhook), &mut known, &mut mint));
        });
    }
}

/// The hash under every signature scheme; the rest of a check is looking at headers.
fn signatures(c: &mut Criterion) {
    let mut group = c.benchmark_group("hmac-sha256");
    for alerts in SIZES {
        let body = payload::filled(&payload::alertmanager(alerts), 1).into_bytes();
        let new = || Hmac::<Sha256>::new_from_slice(b"a secret of a usual length").expect("any key will do");
        let mac = new().chain_update(&body).finalize().into_bytes();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{alerts} alerts")), |b| {
            b.iter(|| new().chain_update(black_box(&body)).verify_slice(&mac));
        });
    }
}

criterion_group!(parts, shapes, identities, conversion, plans, signatures);
criterion_main!(parts);
