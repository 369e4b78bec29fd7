use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::egress::SnapshotKind;

use super::*;

const GIB: u64 = 1 << 30;

fn disk(mount: &str, device: &str, total_bytes: u64, available_bytes: u64) -> Disk {
    Disk {
        mount: mount.to_owned(),
        file_system: "ext4".to_owned(),
        total_bytes,
        available_bytes,
        device: device.to_owned(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        memory: Some(Memory {
            total_bytes: 8 * GIB,
            used_bytes: 6 * GIB,
            available_bytes: GIB,
            swap_total_bytes: 2 * GIB,
            swap_used_bytes: GIB / 2,
        }),
        cpu: Some(Cpu {
            cores: 4,
            usage_percent: 97.4,
            load: Some(Load { load_1: 3.5, load_5: 2.0, load_15: 1.25 }),
        }),
        disks: vec![disk("/", "a", 50 * GIB, GIB * 42 / 10), disk("/data", "b", 100 * GIB, 90 * GIB)],
        processes: (0..60)
            .map(|pid| Process { pid, name: "postgres".to_owned(), memory_bytes: GIB, cpu_percent: 1.5 })
            .collect(),
    }
}

fn check(checker: Checker, snapshot: &Snapshot) -> (CheckStatus, String) {
    let result = checker.check(snapshot, checker.default_thresholds());
    assert_eq!(result.checker, checker);
    (result.status, result.message)
}

#[test]
fn messages_say_what_is_short_and_how_much_is_left() {
    let cpu = "processors are 97 % busy (4 cores, load 3.50 2.00 1.25)";
    assert_eq!(check(Checker::Cpu, &snapshot()), (CheckStatus::Critical, cpu.to_owned()));
    let memory = "memory is 88 % used: 1 GiB available of 8 GiB; swap 512 MiB used of 2 GiB";
    assert_eq!(check(Checker::Memory, &snapshot()), (CheckStatus::Warning, memory.to_owned()));
    let disk = "disk `/` is 92 % full: 4.2 GiB free of 50 GiB";
    assert_eq!(check(Checker::Disk, &snapshot()), (CheckStatus::Warning, disk.to_owned()));
}

#[test]
fn every_full_disk_is_named_up_to_three() {
    let disks = (0..5).map(|n| disk(&format!("/d{n}"), &n.to_string(), 100 * GIB, n * GIB)).collect();
    let (status, message) = check(Checker::Disk, &Snapshot { disks, ..Snapshot::default() });
    assert_eq!(status, CheckStatus::Critical);
    assert_eq!(message.matches("% full").count(), 3);
    assert!(
        message.starts_with("disk `/d0` is 100 % full: 0 bytes free") && message.ends_with("; and 2 more")
    );
}

#[test]
fn limits_are_met_at_their_value() {
    let thresholds = Thresholds { warning: 80.0, critical: 95.0 };
    let judged = [79.9, 80.0, 94.9, 95.0].map(|percent| thresholds.judge(percent));
    assert_eq!(judged, [CheckStatus::Ok, CheckStatus::Warning, CheckStatus::Warning, CheckStatus::Critical]);
}

#[test]
fn what_the_machine_lacks_is_skipped() {
    for checker in Checker::ALL {
        let result = checker.check(&Snapshot::default(), checker.default_thresholds());
        assert_eq!(result.status, CheckStatus::Skipped, "{checker}");
        assert!(result.metrics.is_empty() && !result.message.is_empty());
    }
    for kind in [SnapshotKind::Memory, SnapshotKind::Cpu, SnapshotKind::Disk, SnapshotKind::Processes] {
        assert!(snapshot_json(&Snapshot::default(), kind, "").is_err());
    }
}

#[test]
fn results_have_the_shape_that_the_contract_gives() {
    let result = Checker::Disk.check(&snapshot(), Checker::Disk.default_thresholds());
    let value = serde_json::to_value(&result).unwrap();
    assert_eq!(value["checker"], "disk");
    assert_eq!(value["status"], "warning");
    assert_eq!(value["metrics"]["disks"][0]["mount"], "/");
    assert_eq!(serde_json::from_value::<CheckResult>(value).unwrap(), result);
}

#[test]
fn plugins_get_the_shapes_that_the_contract_gives() {
    let json = |kind, options| -> Value {
        serde_json::from_str(&snapshot_json(&snapshot(), kind, options).unwrap()).unwrap()
    };
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&json(SnapshotKind::Memory, "")),
        "available_bytes swap_total_bytes swap_used_bytes total_bytes used_bytes"
    );
    assert_eq!(keys(&json(SnapshotKind::Cpu, "{}")), "cores load_1 load_15 load_5 usage_percent");
    let disks = json(SnapshotKind::Disk, "");
    assert_eq!(keys(&disks["disks"][0]), "available_bytes file_system mount total_bytes");
    let processes = json(SnapshotKind::Processes, "{\"limit\":50}");
    assert_eq!(processes["processes"].as_array().unwrap().len(), 50);
    assert_eq!(keys(&processes["processes"][0]), "cpu_percent memory_bytes name pid");
    assert_eq!(json(SnapshotKind::Processes, " ")["processes"].as_array().unwrap().len(), 10);
    for options in ["[1]", "nonsense", "{\"limit\":0}", "{\"limit\":51}", "{\"limit\":-1}"] {
        assert!(snapshot_json(&snapshot(), SnapshotKind::Processes, options).is_err(), "{options}");
    }
}

#[test]
fn mounts_of_one_device_count_once() {
    let disks = vec![
        disk("/etc/hosts", "/dev/a", GIB, 1),
        disk("/", "/dev/a", GIB, 1),
        disk("/mnt", "/dev/b", GIB, 1),
        disk("/proc/x", "none", 0, 0),
    ];
    let mounts: Vec<_> = probe::one_per_device(disks).into_iter().map(|disk| disk.mount).collect();
    assert_eq!(mounts, ["/", "/mnt"]);
}

#[test]
fn sizes_are_short() {
    let shown = [0, 1023, 1024, 1536, 10 * 1024 + 512, 50 * GIB, u64::MAX].map(size);
    assert_eq!(shown, ["0 bytes", "1023 bytes", "1 KiB", "1.5 KiB", "10 KiB", "50 GiB", "16 EiB"]);
}

/// A machine whose readings are counted.
fn counted(max_age: Duration) -> (Machine, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let take = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        snapshot()
    };
    (Machine::with(Arc::new(take), max_age, Duration::from_secs(10)), count)
}

#[tokio::test]
async fn concurrent_callers_share_one_reading_while_it_is_fresh() {
    let (machine, count) = counted(Duration::from_secs(3600));
    assert!(machine.fresh().is_none());
    let checks = defaults();
    let (first, second, third) =
        tokio::join!(run(&checks, &machine), run(&checks, &machine), machine.snapshot());
    assert_eq!(first, second);
    assert!(third.is_ok() && machine.fresh().is_some());
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let (stale, count) = counted(Duration::ZERO);
    stale.snapshot().await.unwrap();
    stale.snapshot().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_reading_that_hangs_skips_the_checks_and_holds_one_thread() {
    let count = Arc::new(AtomicUsize::new(0));
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (counter, gate) = (Arc::clone(&count), std::sync::Mutex::new(gate));
    let take = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let _closed = gate.lock().unwrap().recv();
        snapshot()
    };
    let machine = Machine::with(Arc::new(take), Duration::from_secs(3600), Duration::from_millis(20));
    for _ in 0..3 {
        let results = run(&defaults(), &machine).await;
        assert!(results.iter().all(|result| result.status == CheckStatus::Skipped));
        assert!(results[0].message.contains("not read within"), "{}", results[0].message);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(release);
    while machine.snapshot().await.is_err() {}
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn this_machine_can_be_read() {
    let machine = Machine::new();
    let snapshot = machine.snapshot().await.unwrap();
    assert!(snapshot.memory.is_some() && snapshot.cpu.is_some() && !snapshot.processes.is_empty());
    assert_eq!(run(&defaults(), &machine).await.len(), Checker::ALL.len());
}
