use std::sync::mpsc;
use std::time::Duration;

use domain::egress::SnapshotKind;

use super::json::snapshot_json;
use super::probe::System;
use super::*;

const GIB: u64 = 1 << 30;
const HOUR: Duration = Duration::from_secs(3600);

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
    let limits = checker.about().thresholds;
    let found = match checker {
        Checker::Cpu => cpu::check(snapshot.cpu, limits),
        Checker::Memory => memory::check(snapshot.memory, limits),
        _ => disk::check(&snapshot.disks, limits),
    };
    (found.status, found.message)
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

/// Reads a machine that has nothing, but for its mounted file systems, which are asked by name.
#[tokio::test]
async fn what_the_machine_lacks_is_skipped() {
    let nothing = root::fake::Fake::new(&[]);
    let machine = machine(System::default(), Vec::new());
    let mut plan = Plan::default();
    plan.only(&Checker::ALL.map(|one| if one == Checker::DiskInodes { Checker::Cpu } else { one }));
    let results = Checks::at(&plan, machine, &nothing.root()).run(HOUR).await;
    assert_eq!(results.len(), Checker::ALL.len() - 1);
    for result in results {
        assert_eq!(result.status, CheckStatus::Skipped, "{result:?}");
        assert!(result.metrics.is_empty() && result.value.is_none() && !result.message.is_empty());
    }
    for kind in [SnapshotKind::Memory, SnapshotKind::Cpu, SnapshotKind::Disk, SnapshotKind::Processes] {
        assert!(snapshot_json(&Snapshot::default(), kind, "").is_err());
    }
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

fn machine(system: System, disks: Vec<Disk>) -> Arc<Machine> {
    let system = Latest::new(HOUR, move || system.clone());
    Arc::new(Machine::with(system, Latest::new(HOUR, move || disks.clone())))
}

fn plan(checkers: &[Checker]) -> Plan {
    let mut plan = Plan::default();
    plan.only(checkers);
    plan
}

#[tokio::test]
async fn results_have_the_shape_that_the_contract_gives() {
    let machine = machine(System::default(), snapshot().disks);
    let mut plan = plan(&[Checker::Disk]);
    plan.limit(Some(90.0), Some(91.0)).unwrap();
    let results = Checks::new(&plan, machine).run(HOUR).await;
    let value = serde_json::to_value(&results[0]).unwrap();
    let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["checker", "critical", "message", "metrics", "status", "unit", "value", "warning"]);
    assert_eq!((&value["checker"], &value["status"]), (&Value::from("disk"), &Value::from("critical")));
    assert_eq!((&value["value"], &value["unit"]), (&Value::from(91.6), &Value::from("%")));
    assert_eq!((&value["warning"], &value["critical"]), (&Value::from(90.0), &Value::from(91.0)));
    assert_eq!(value["metrics"]["disks"][0]["mount"], "/");
}

/// A file system that does not answer hides neither processors nor memory, however often it is asked.
#[tokio::test]
async fn a_check_that_hangs_is_unknown_and_the_others_are_not_lost() {
    let (release, gate) = mpsc::channel::<()>();
    let (asked, count) = mpsc::channel();
    let gate = Mutex::new(gate);
    let hangs = move || {
        asked.send(()).unwrap();
        let _closed = gate.lock().unwrap().recv();
        snapshot().disks
    };
    let Snapshot { cpu, memory, processes, .. } = snapshot();
    let system = System { cpu, memory, processes };
    let machine = Machine::with(Latest::new(HOUR, move || system.clone()), Latest::new(HOUR, hangs));
    let machine = Arc::new(machine);
    let checks = Checks::new(&plan(&[Checker::Cpu, Checker::Memory, Checker::Disk]), Arc::clone(&machine));
    assert!(machine.system.get().await.is_ok());
    for _ in 0..3 {
        let states: Vec<_> =
            checks.run(Duration::from_millis(20)).await.into_iter().map(|result| result.status).collect();
        assert_eq!(states, [CheckStatus::Critical, CheckStatus::Warning, CheckStatus::Unknown]);
    }
    drop(release);
    let results = checks.run(HOUR).await;
    assert_eq!(results[2].status, CheckStatus::Warning);
    assert_eq!(count.try_iter().count(), 1, "one reading, one thread");
}

#[tokio::test]
async fn a_check_that_breaks_is_unknown() {
    let machine = Machine::with(Latest::new(HOUR, System::default), Latest::new(HOUR, || panic!("broken")));
    let results = Checks::new(&plan(&[Checker::Disk]), Arc::new(machine)).run(HOUR).await;
    assert_eq!(results[0].status, CheckStatus::Unknown);
    assert_eq!(results[0].message, "the check stopped half-way");
}

#[tokio::test]
async fn this_machine_can_be_read() {
    let machine = Arc::new(Machine::new());
    let snapshot = machine.snapshot().await.unwrap();
    assert!(snapshot.memory.is_some() && snapshot.cpu.is_some() && !snapshot.processes.is_empty());
    let results = Checks::new(&Plan::default(), machine).run(HOUR).await;
    assert_eq!(results.iter().map(|result| result.checker).collect::<Vec<_>>(), Checker::ALL);
    assert!(results.iter().all(|result| result.status != CheckStatus::Unknown), "{results:?}");
}
