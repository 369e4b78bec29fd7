//! Templates as a channel uses them.

use std::fs;

use serde_json::{Value, json};

use super::*;

fn to(notifier: &str) -> Recipient {
    Recipient { channel: "ops".to_owned(), notifier: notifier.parse().unwrap() }
}

fn own(templates: Value) -> ChannelTemplates {
    ChannelTemplates::take(&mut json!({ "templates": templates })).unwrap()
}

fn sample(name: &str) -> Notification {
    samples().iter().find(|sample| sample.name == name).unwrap().notification.clone()
}

fn problem(kind: &str, template: &str) -> Problem {
    let mut problems = Templates::new(None).check(&to("generic"), &own(json!({ kind: template })));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn built_in_templates_render_every_sample_strictly() {
    let templates = Templates::new(None);
    let names: Vec<&str> = samples().iter().map(|sample| sample.name.as_str()).collect();
    let all = ["firing", "acknowledged", "resolved", "fired-and-resolved", "no-alerts", "many", "hostile"];
    assert_eq!(names, all);
    for notifier in ["generic", "slack", "email"] {
        let problems = templates.check(&to(notifier), &ChannelTemplates::default());
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it tells the test, not the program, to write the files anew")]
fn built_in_texts_are_as_reviewed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/template/testdata");
    let mut wrong = Vec::new();
    for sample in samples() {
        let none = ChannelTemplates::default();
        let (told, failures) = Templates::new(None).render(&to("email"), &none, sample.notification.clone());
        assert!(failures.is_empty(), "{failures:?}");
        for (kind, text) in [("txt", told.message), ("html", told.html.unwrap())] {
            let file = format!("{folder}/{}.{kind}", sample.name);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            let reviewed = fs::read_to_string(&file).unwrap_or_default();
            wrong.extend((reviewed != text).then_some(file));
        }
    }
    assert!(wrong.is_empty(), "look at them, then run with BLESS=1: {wrong:?}");
}

#[test]
fn what_is_not_there_is_named_with_its_line_and_a_remedy() {
    let problem = problem("text", "one\n{{ incident.titel }}");
    assert_eq!((problem.template.as_str(), problem.line), ("templates.text", Some(2)));
    assert!(problem.message.starts_with("`incident.titel` is not there\nhint: there is `"), "{problem}");
    assert!(problem.message.contains("`opened_at`"), "{problem}");
}

#[test]
fn mistakes_of_a_template_are_found_before_it_is_saved() {
    for (kind, template, line, words) in [
        ("text", "a\n{% if title %}", 2, "it is not a template"),
        ("text", "{{ titel }}", 1, "`titel` is not there"),
        ("text", "{% if false %}\n{{ titel }}{% endif %}", 2, "`titel` is not there"),
        ("text", "{{ env.HOME }}", 1, "`env.HOME` is not there"),
        ("text", "a\nb\n{{ alerts[0].labels.colour }}", 3, "`alerts[0].labels.colour` is not there"),
        ("text", "{{ title | shout }}", 1, "unknown filter"),
        ("text", "{{ title | time }}", 1, "not a time of the form"),
        ("text", "{% include 'email_html.j2' %}", 1, "it is not a template"),
        ("text", "{% extends 'a' %}", 1, "it is not a template"),
        ("text", "{{ debug() }}", 1, "`debug` is not there"),
    ] {
        let problem = problem(kind, template);
        assert!(problem.line == Some(line) && problem.message.contains(words), "{template}: {problem}");
    }
    for (kind, template, words) in [
        ("title", "{% if status == 'x' %}{{ title }}{% endif %}", "renders to nothing"),
        ("html", "<p>{{ incident.title | safe }}</p>", "scripts included"),
        ("html", "{% autoescape false %}{{ incident.title }}{% endautoescape %}", "scripts included"),
        ("payload", "{\"text\": \"{{ title }}\"}", "values bring their own quotes"),
        ("payload", "{{ title }}", "must be a JSON object or list"),
        ("payload", "{\"text\": {{ title }},}", "is not JSON from line 1"),
    ] {
        let problem = problem(kind, template);
        assert!(problem.message.contains(words), "{template}: {problem}");
    }
}

#[test]
fn what_may_be_missing_is_asked_for_or_given_a_default() {
    let template = "{% for alert in alerts %}{% if alert.labels.team %}{{ alert.labels.team }}{% endif %}\
                    {{ alert.labels.colour | default('-') }}{% endfor %}!";
    let problems = Templates::new(None).check(&to("generic"), &own(json!({ "text": template })));
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn bombs_end_at_once_and_take_no_memory() {
    let loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    for bomb in [
        loops.to_owned(),
        format!("{{% set x = 'a' * 1000 %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(40)),
        "{{ 'a' * 100000000 }}".to_owned(),
        "{{ '%0999999999d' | format(1) }}".to_owned(),
        "{{ range(99999) | list | tojson }}{{ range(99999) | map('string') | join(title * 100) }}".to_owned(),
        "{% for a in range(99999) %}{{ title }}{{ message }}{% endfor %}".to_owned(),
        format!("{}x{}", "{% if true %}".repeat(2000), "{% endif %}".repeat(2000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(30_000), ")".repeat(30_000)),
    ] {
        let problem = problem("text", &bomb);
        let known = ["limit of work", "not a template", "renders to nothing", "invalid operation"];
        assert!(known.iter().any(|words| problem.message.contains(words)), "{problem}");
    }
}

#[test]
fn a_template_that_fails_costs_nothing_but_its_words() {
    let templates = Templates::new(None);
    let broken = own(json!({
        "title": "{{ title | shout }}", "text": "{% for a in range(99999) %}{% for b in range(99999) %}\
         {% endfor %}{% endfor %}", "html": "{{", "payload": "{\"text\": nothing}"
    }));
    let (told, failures) = templates.render(&to("email"), &broken, sample("firing"));
    assert_eq!(failures.len(), 4);
    assert_eq!(told.title, "[CRITICAL] DiskFull on db1");
    assert!(told.message.contains("WHAT TO DO\n1. Free space"), "{}", told.message);
    for kind in ["title", "text", "html", "payload"] {
        assert!(
            told.message.contains(&format!("Note: template `templates.{kind}` was not used: ")),
            "{}",
            told.message
        );
    }
    assert!(told.payload.is_none());
    let html = told.html.unwrap();
    assert!(html.contains("Note: template") && html.contains("Free space"), "{html}");
    let (plain, _) = templates.render(&to("generic"), &broken, sample("firing"));
    assert!(plain.html.is_none(), "no other notifier has a document of its own");
}

#[test]
fn what_is_missing_when_somebody_is_told_is_left_out() {
    let template = own(json!({ "text": "{{ alerts[0].labels.colour }}{{ titel }}to {{ channel }}" }));
    let (told, failures) = Templates::new(None).render(&to("generic"), &template, sample("no-alerts"));
    assert!(failures.is_empty() && told.message == "to ops", "{told:?}");
}

#[test]
fn nothing_that_a_sender_writes_becomes_markup_json_or_a_line_of_its_own() {
    let template = own(json!({
        "payload": "{\"text\": {{ title | slack }}, \"labels\": {{ alerts[0].labels }}, \"n\": {{ alerts | length }}}",
        "title": "{{ incident.title }}",
    }));
    let (told, failures) = Templates::new(None).render(&to("email"), &template, sample("hostile"));
    assert!(failures.is_empty(), "{failures:?}");
    let payload = told.payload.unwrap();
    assert_eq!((payload.as_object().unwrap().len(), &payload["n"]), (3, &json!(1)), "{payload}");
    assert!(payload["text"].as_str().unwrap().contains("&lt;!channel&gt;"), "{payload}");
    assert!(!told.title.contains('\n'), "{}", told.title);
    let html = told.html.unwrap();
    for bad in ["<script", "<img", "javascript:", "data:text", "\u{202e}", "\u{7}", "\u{1b}"] {
        assert!(!html.contains(bad) && (bad.contains(['<', ':']) || !told.message.contains(bad)), "{bad}");
    }
    assert!(
        !html.contains("<link") && !html.contains("src=") || html.contains("&lt;img src"),
        "nothing is loaded"
    );
    assert!(!told.message.contains("\nResolved by"), "{}", told.message);
}

#[test]
fn a_message_written_by_hand_is_said_as_it_is() {
    let mut by_hand = sample("no-alerts");
    by_hand.incident =
        json!({ "title": "Hello", "opened_at": "2026-11-23T14:02:11Z", "run_id": "r", "trace_id": "t" });
    by_hand.message = "Lunch is <ready>\nnow".to_owned();
    let words = own(json!({ "title": "{{ title }} {{ incident.opened_at | ago }}" }));
    let (told, failures) = Templates::new(None).render(&to("email"), &words, by_hand);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(
        (told.message.as_str(), told.title.as_str()),
        ("Lunch is <ready>\nnow", "[INFO] Heartbeat just now")
    );
    let html = told.html.unwrap();
    assert!(html.contains("Lunch is &lt;ready&gt;\nnow") && html.contains(">Hello</h1>"), "{html}");
    assert!(!html.contains("It began") && !html.contains("Analysis"), "{html}");
}

#[test]
fn files_of_the_folder_are_taken_by_name_and_by_notifier_and_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let templates = Templates::new(Some(folder.path().to_owned()));
    let text = |own: &ChannelTemplates| templates.render(&to("generic"), own, sample("firing"));
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("generic_text.j2", "of all generic channels");
    write("mine.j2", "mine of {{ channel }}");
    assert_eq!(text(&ChannelTemplates::default()).0.message, "of all generic channels");
    let mine = own(json!({ "text": { "file": "mine.j2" } }));
    assert_eq!(text(&mine).0.message, "mine of ops");
    write("mine.j2", "{{ broken");
    let (told, failures) = text(&mine);
    assert_eq!(failures.len(), 1);
    assert!(
        told.message.starts_with("of all generic channels\n\nNote: template `mine.j2`"),
        "{}",
        told.message
    );
    write("mine.j2", "mended");
    assert_eq!(text(&mine).0.message, "mended");
    fs::remove_file(folder.path().join("mine.j2")).unwrap();
    let problems = templates.check(&to("generic"), &mine);
    assert!(problems.len() == 1 && problems[0].message.contains("no such file"), "{problems:?}");
    assert_eq!(templates.files().unwrap(), ["generic_text.j2"]);
    assert_eq!(Kind::of_file("generic_text.j2"), Some(("generic".parse().unwrap(), Kind::Text)));
    assert!(Kind::of_file("mine.j2").is_none() && Kind::of_file("generic_body.j2").is_none());
}

#[test]
fn notes_for_logs_hold_nothing_that_was_to_be_rendered() {
    let template = own(json!({ "text": "{{ incident.title | int }}" }));
    let (_, failures) = Templates::new(None).render(&to("generic"), &template, sample("hostile"));
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!(failure.trouble.line, Some(1));
    assert!(!failure.trouble.without_data().contains("wb()"), "{}", failure.trouble.without_data());
}

#[test]
fn examples_of_the_docs_are_templates_and_all_names_are_in_them() {
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TEMPLATES.md")).unwrap();
    let templates = Templates::new(None);
    let mut found = 0;
    for block in docs.split("```jinja ").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let text = rest.split("```").next().unwrap();
        let problem = templates.check_text(&to("generic"), Kind::of_word(kind).unwrap(), kind, text);
        assert!(problem.is_none(), "{text}\n{}", problem.unwrap());
        found += 1;
    }
    assert_eq!(found, 5);
    for name in context::known_beside("").into_iter().chain(context::known_beside("incident.")) {
        assert!(
            docs.contains(&format!("`{name}`")) || docs.contains(&format!("`incident.{name}`")),
            "{name}"
        );
    }
    for filter in ["time", "clock", "ago", "lasted", "line", "truncate", "slack", "color", "emoji"] {
        assert!(docs.contains(&format!("| `{filter}` |")), "{filter}");
    }
}
