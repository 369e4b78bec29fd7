//! `docs/PLUGINS.md`, taken at its word.

use std::path::Path;

use tests::{Author, Jco, Step, steps};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/PLUGINS.md")).unwrap()
}

/// Does what a section says, and compares what comes of its cases with the example that lies in the repository.
fn follow(heading: &str, example: &str) {
    let author = Author::new();
    for step in steps(&page(), heading) {
        author.take(&step);
    }
    let example = repository().join("plugins/examples").join(example).join("testdata");
    let expected = std::fs::read_to_string(example.join("firing.expected.json")).unwrap();
    let found = std::fs::read_to_string(author.path().join("testdata/firing.expected.json")).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn files_of_the_page_are_those_of_the_examples() {
    for (heading, example, files) in [("## In Rust", "rust", 3), ("## In JavaScript", "javascript", 1)] {
        let steps = steps(&page(), heading);
        let shown: Vec<_> = steps.iter().filter(|step| matches!(step, Step::File(..))).collect();
        assert_eq!(shown.len(), files, "{heading}");
        assert!(steps.len() > files, "{heading} has commands");
        for step in shown {
            let Step::File(name, text) = step else { continue };
            let file = repository().join("plugins/examples").join(example).join(name);
            assert_eq!(*text, std::fs::read_to_string(file).unwrap(), "{name}");
        }
    }
}

// Both fetch packages, as `jco` was fetched: where that is not here, neither are they.

#[test]
fn page_leads_from_nothing_to_a_running_driver_in_rust() {
    if Jco::find().is_some() {
        follow("## In Rust", "rust");
    }
}

#[test]
fn page_leads_from_nothing_to_a_tested_driver_in_javascript() {
    if Jco::find().is_some() {
        follow("## In JavaScript", "javascript");
    }
}
