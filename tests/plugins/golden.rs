//! The built drivers in the real sandbox: what each makes of its own golden inputs, and whether
//! detection among all of them finds it.

use domain::golden;
use domain::plugin::{Parsed, PluginName};
use domain::shape::{Shape, ShapeSet};
use sandbox::CallError;
use serde_json::{Value, json};

use crate::built::{FORM, JSON, Silence, drivers, incoming, testdata};

/// One golden input with its content type, and what comes of it.
struct Golden {
    case: String,
    content_type: &'static str,
    body: Vec<u8>,
    expected: Value,
}

/// The cases of a driver: an input that ends in `.json` is sent as JSON, one in `.form` as a form.
fn cases(name: &PluginName) -> Vec<Golden> {
    let folder = testdata(name);
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(case) = file.strip_suffix(".expected.json") else { continue };
        let input = |end| std::fs::read(folder.join(format!("{case}.{end}")));
        let (content_type, body) = match input("form") {
            Ok(body) => (FORM, body),
            Err(_) => (JSON, input("json").unwrap()),
        };
        let expected = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        cases.push(Golden { case: case.to_owned(), content_type, body, expected });
    }
    assert!(cases.len() >= 12, "driver `{name}` has {} cases", cases.len());
    cases
}

/// The one form of results, as `watchbell plugin test` compares it too.
fn result(result: Result<Parsed, CallError>) -> Value {
    match result {
        Ok(parsed) => golden::parsed(&parsed),
        Err(CallError::Plugin(error)) => golden::error(&error),
        Err(CallError::Trap(trap)) => json!({ "trap": trap.to_string() }),
    }
}

#[tokio::test]
async fn built_drivers_make_of_golden_inputs_what_their_sources_promise() {
    for (name, driver) in drivers() {
        for Golden { case, content_type, body, mut expected } in cases(&name) {
            let found = result(driver.parse(&incoming(content_type, body), "{}", &Silence).await);
            expected.as_object_mut().unwrap().remove("shape");
            assert_eq!(found, expected, "{name}/{case}");
        }
    }
}

#[test]
fn detection_among_all_drivers_finds_the_one_that_the_golden_input_is_for() {
    let drivers = drivers();
    let shapes = ShapeSet::new(
        drivers.iter().map(|(name, driver)| (name, driver.info().shapes.as_slice() as &[Shape])),
    );
    let (mut found_any, mut forms) = (0, 0);
    for (name, _) in &drivers {
        for Golden { case, content_type, body, expected } in cases(name) {
            if expected["shape"].is_null() {
                continue;
            }
            let matches = shapes.matches(content_type, |_| false, &body).unwrap();
            let winner = matches.first().unwrap_or_else(|| panic!("{name}/{case}: nobody"));
            assert_eq!((&winner.driver, &json!(winner.shape)), (name, &expected["shape"]), "{case}");
            found_any += 1;
            forms += usize::from(content_type == FORM);
        }
    }
    assert!(found_any > 20, "only {found_any} golden inputs are recognised");
    assert!(forms >= 3, "only {forms} forms are recognised");
}
