//! `wit/` itself: it parses, every item says what it is, and the worlds grant exactly what they
//! should.

use wit_parser::{Docs, Interface, Resolve, TypeDefKind, World, WorldItem, WorldKey};

fn contract() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract parses");
    resolve
}

fn interface_name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => resolve.interfaces[*id].name.clone().unwrap(),
    }
}

fn interfaces<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> Vec<String> {
    let mut names: Vec<String> = items
        .map(|(key, item)| {
            assert!(matches!(item, WorldItem::Interface { .. }), "a world holds interfaces only");
            interface_name(resolve, key)
        })
        .collect();
    names.sort();
    names
}

fn world<'a>(resolve: &'a Resolve, name: &str) -> &'a World {
    resolve.worlds.iter().map(|(_, world)| world).find(|world| world.name == name).expect(name)
}

fn check_world(name: &str, imports: &[&str], export: &str) {
    let resolve = contract();
    let world = world(&resolve, name);
    assert_eq!(interfaces(&resolve, world.imports.iter()), imports);
    assert_eq!(interfaces(&resolve, world.exports.iter()), [export]);
}

#[test]
fn driver_gets_logging_and_nothing_else() {
    check_world("alert-driver", &["host-log", "types"], "driver");
}

#[test]
fn notifier_gets_clock_random_http_and_mail() {
    let imports = ["host-clock", "host-http", "host-log", "host-mail", "host-random", "types"];
    check_world("alert-notifier", &imports, "notifier");
}

#[test]
fn provider_also_gets_the_system() {
    let imports = ["host-clock", "host-http", "host-log", "host-random", "host-system", "types"];
    check_world("intelligence-provider", &imports, "intelligence");
}

#[test]
fn there_are_three_worlds_and_types_has_no_functions() {
    let resolve = contract();
    assert_eq!(resolve.worlds.len(), 3);
    let types = resolve.interfaces.iter().map(|(_, interface)| interface);
    let types = types.into_iter().find(|interface| interface.name.as_deref() == Some("types")).unwrap();
    assert!(types.functions.is_empty());
}

#[test]
fn every_item_of_the_contract_says_what_it_is() {
    let resolve = contract();
    let mut silent = Vec::new();
    let mut check = |docs: &Docs, path: String| {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            silent.push(path);
        }
    };
    for (_, package) in &resolve.packages {
        check(&package.docs, package.name.to_string());
    }
    for (_, world) in &resolve.worlds {
        check(&world.docs, world.name.clone());
    }
    for (_, interface) in &resolve.interfaces {
        check_interface(&resolve, interface, &mut check);
    }
    assert!(silent.is_empty(), "without a doc comment: {silent:#?}");
}

/// Interfaces, their types and their functions. Fields and cases whose name and type say it all are
/// left to the author's judgement.
fn check_interface(resolve: &Resolve, interface: &Interface, check: &mut impl FnMut(&Docs, String)) {
    let name = interface.name.clone().unwrap();
    check(&interface.docs, name.clone());
    for (type_name, id) in &interface.types {
        let definition = &resolve.types[*id];
        // `use types.{…}` makes a second name for a type that is documented where it is defined.
        if !matches!(&definition.kind, TypeDefKind::Type(wit_parser::Type::Id(_))) {
            check(&definition.docs, format!("{name}.{type_name}"));
        }
    }
    for (function_name, function) in &interface.functions {
        check(&function.docs, format!("{name}.{function_name}"));
    }
}
