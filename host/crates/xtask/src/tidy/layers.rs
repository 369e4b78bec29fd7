//! Imports inside package `host` follow the arrows of `layers_data`.

use crate::tidy::layers_data::{CRATES, LAYERS, Layer, SHARED};
use crate::tidy::rust::NamedPath;
use crate::tidy::{Finding, Source};

/// Checks every path that one module of `host` names, in a `use` or in the middle of code.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let Some(rust) = &source.rust else { return Vec::new() };
    let Some(modules) = modules_of(&source.path) else { return Vec::new() };
    let Some(own) = modules.first().copied() else { return Vec::new() };
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == own) else {
        let message =
            format!("module `{own}` has no row in `tidy/layers_data.rs`: say there what it may import");
        return vec![Finding::new(source, 1, message)];
    };
    let mut findings = Vec::new();
    for path in rust.paths() {
        if let Some(target) = target_of(&path, modules.len()).filter(|target| !may_name(layer, target)) {
            let message = format!(
                "`{own}` must not import `{target}`: hand it in from `app`, or amend `tidy/layers_data.rs`"
            );
            findings.push(Finding::new(source, path.line, message));
        }
    }
    findings
}

/// The modules that a file of `host` is, outermost first; nothing for `lib.rs`, which only lists them.
fn modules_of(path: &str) -> Option<Vec<&str>> {
    let inner = path.strip_prefix("host/src/")?.strip_suffix(".rs")?;
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    Some(inner.split('/').collect()).filter(|_| inner != "lib")
}

/// The top-level module, or the crate of ours, that a path leads to.
fn target_of(path: &NamedPath, depth: usize) -> Option<&str> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let name = match segments.as_slice() {
        // `host` is how `main.rs` names the library beside it.
        ["crate" | "host", name, ..] => name,
        [name, _, ..] if CRATES.contains(name) => name,
        ["super", ..] => {
            let climbs = segments.iter().take_while(|segment| **segment == "super").count();
            segments.get(climbs).filter(|_| climbs == depth)?
        }
        _ => return None,
    };
    // An item in the crate's root or a macro is no module.
    name.starts_with(|first: char| first.is_ascii_lowercase()).then_some(name)
}

fn may_name(layer: &Layer, target: &str) -> bool {
    let is_shared = |module: &str| SHARED.contains(&module);
    target == layer.module
        || layer.may_name.contains(&target)
        || (is_shared(target) && !is_shared(layer.module))
        || !(CRATES.contains(&target) || LAYERS.iter().any(|layer| layer.module == target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_imports(path: &str, text: &str, lines: &[usize]) {
        let findings = check(&source(path, text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{findings:?}");
    }

    #[test]
    fn an_arrow_that_points_back_is_found() {
        check_imports("host/src/ingest/mod.rs", "use crate::http::Problem;\n", &[1]);
        check_imports("host/src/pipeline/stage.rs", "fn f() {\n    crate::http::problem();\n}\n", &[2]);
        check_imports("host/src/crypto.rs", "use crate::{\n    config::Key,\n    crypto::seal,\n};\n", &[2]);
    }

    #[test]
    fn a_crate_that_is_not_for_this_module_is_found() {
        check_imports("host/src/http/webhook.rs", "use sandbox::Driver;\n", &[1]);
        check_imports("host/src/checks/disk.rs", "async fn f(s: &store::Store) {}\n", &[1]);
    }

    #[test]
    fn climbing_to_the_root_does_not_hide_an_import() {
        check_imports("host/src/auth/key.rs", "use super::super::http::x;\n", &[1]);
        check_imports("host/src/auth/mod.rs", "use super::http::x;\n", &[1]);
        check_imports("host/src/auth/key.rs", "use super::http::x;\n", &[]);
    }

    #[test]
    fn arrows_of_the_list_and_shared_modules_are_fine() {
        check_imports("host/src/http/webhook.rs", "use crate::{ingest::receive, telemetry};\n", &[]);
        check_imports("host/src/main.rs", "fn main() { host::cli::run(host::config::load()); }\n", &[]);
        check_imports("host/src/plugins/mod.rs", "use sandbox::Engine;\nuse crate::egress::Egress;\n", &[]);
    }

    #[test]
    fn unit_tests_may_import_everything() {
        check_imports("host/src/crypto.rs", "#[cfg(test)]\nmod tests { use crate::http::x; }\n", &[]);
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        check_imports("host/src/utils.rs", "", &[1]);
        check_imports("host/src/lib.rs", "pub mod utils;\n", &[]);
    }

    #[test]
    fn the_list_names_only_what_it_has_and_has_no_circle() {
        // Below a module are only modules from which no arrow leads back to it.
        fn reaches(from: &str, to: &str) -> bool {
            let below =
                LAYERS.iter().find(|layer| layer.module == from).map_or(&[][..], |layer| layer.may_name);
            below.iter().any(|next| *next == to || reaches(next, to))
        }
        for layer in LAYERS {
            for name in layer.may_name {
                assert!(CRATES.contains(name) || LAYERS.iter().any(|layer| layer.module == *name), "{name}");
            }
            assert!(!reaches(layer.module, layer.module), "{} is in a circle", layer.module);
        }
    }
}
