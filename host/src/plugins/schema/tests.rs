use serde_json::json;

use super::*;

fn refused(schema: &Value) -> String {
    SettingsSchema::new(schema).unwrap_err().to_string()
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

#[test]
fn a_schema_that_could_cost_much_or_hide_a_secret_is_refused_with_its_place_and_the_fix() {
    let mut deep = json!({ "type": "string" });
    for _ in 0..14 {
        deep = object(json!({ "a": deep }));
    }
    for (schema, place, word) in [
        (json!([]), "at `/`", "`properties`"),
        (json!({"properties": {}}), "at `/`", "\"type\": \"object\""),
        (json!({"type": "object", "description": "x".repeat(40_000)}), "at `/`", "32768"),
        (deep, "/properties/a", "12 deep"),
        (object(json!({"a": {"$ref": "#/x"}})), "at `/properties/a/$ref`", "not taken"),
        (object(json!({"a": {"$ref": "https://a.example/s.json"}})), "/$ref", "not taken"),
        (json!({"type": "object", "$defs": {}}), "at `/$defs`", "not taken"),
        (json!({"type": "object", "patternProperties": {}}), "/patternProperties", "not taken"),
        (
            json!({"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}),
            "/$schema",
            "2020-12",
        ),
        (object(json!({"a": {"pattern": "x".repeat(600)}})), "at `/properties/a/pattern`", "512"),
        (object(json!({"a": {"type": "string", "pattern": "("}})), "/properties/a", "patterns"),
        (object(json!({"a": {"type": "string", "pattern": "(?=x)y"}})), "/properties/a", "look-around"),
        (object(json!({"a": {"type": "string", "pattern": r"(\w{200}){200}"}})), "/properties/a", "patterns"),
        (
            object(json!({"a": {"type": "array", "items": {"type": "string", "format": "secret"}}})),
            "/items/",
            "does not look",
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"a": {"type": "string", "format": "secret"}}}]}),
            "/anyOf/0/properties/a/format",
            "does not look",
        ),
        (object(json!({"a": {"format": "secret"}})), "/properties/a/format", "\"type\": \"string\""),
        (
            object(json!({"a.b": {"type": "string", "format": "secret"}})),
            "/properties/a.b/format",
            "another name",
        ),
        (object(json!({"a": {"type": "colour"}})), "/properties/a/type", "2020-12"),
        (object(json!({"a": 1})), "/properties/a", "no schema"),
    ] {
        let message = refused(&schema);
        assert!(
            message.contains(place) && message.contains(word) && message.contains("\nhint: "),
            "{schema}: {message}"
        );
    }
}

#[test]
fn patterns_take_time_linear_in_the_text() {
    let schema = object(json!({ "a": { "type": "string", "pattern": "^(a+)+$" } }));
    let schema = SettingsSchema::new(&schema).unwrap();
    assert_eq!(schema.problems(&json!({ "a": format!("{}b", "a".repeat(50_000)) })).len(), 1);
}

fn told(schema: Value, settings: Value) -> Vec<String> {
    let problems = SettingsSchema::new(&schema).unwrap().problems(&settings);
    problems.into_iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect()
}

#[test]
fn problems_name_the_place_and_what_is_expected_and_no_value() {
    let schema = || {
        json!({
            "type": "object",
            "properties": {
                "url": {"type": "string", "format": "uri", "description": "Where to send."},
                "method": {"enum": ["POST", "PUT"]},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "token": {"type": "string", "format": "secret", "pattern": "^xoxb-", "minLength": 10},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1}
            },
            "required": ["url"]
        })
    };
    let settings = json!({
        "method": "hunter2", "port": "hunter2", "token": "hunter2", "headers": {"a/b": 7, "c": "hunter2"}, "colour": "hunter2"
    });
    let mut problems = told(schema(), settings);
    problems.sort();
    assert_eq!(
        problems,
        [
            "/colour there is no setting `colour`; there are `headers`, `method`, `port`, `token`, `url`",
            "/headers must have at most 1 entries",
            "/headers/a~1b must be a text, found a number",
            "/method must be one of `POST`, `PUT`",
            "/port must be a whole number, found a text",
            "/token must have at least 10 characters",
            "/token must match the pattern `^xoxb-`",
            "/url `url` is missing: Where to send.",
        ]
    );
    assert_eq!(
        told(schema(), json!({"url": "nowhere", "port": 0})),
        ["/port must be 1 or more", "/url must be a whole address, such as `https://hooks.example.com/x`",]
    );
    assert!(told(schema(), json!({"url": "https://a.example", "token": "xoxb-123456"})).is_empty());
}

#[test]
fn alternatives_name_what_is_needed() {
    let schema = json!({
        "type": "object",
        "properties": {"webhook_url": {"type": "string"}, "bot_token": {"type": "string"}, "channel": {"type": "string"}},
        "additionalProperties": false,
        "anyOf": [{"required": ["webhook_url"]}, {"required": ["bot_token", "channel"]}]
    });
    assert_eq!(
        told(schema.clone(), json!({})),
        [" one of these is needed: `webhook_url`, or `bot_token` with `channel`"]
    );
    assert_eq!(
        told(schema, json!({"webhook_url": "x", "colour": 1})),
        ["/colour there is no setting `colour`; there are `bot_token`, `channel`, `webhook_url`"]
    );
}

#[test]
fn a_reference_is_not_held_against_the_schema_before_it_is_followed() {
    let schema = object(json!({ "token": {"type": "string", "format": "secret", "pattern": "^x"} }));
    let schema = SettingsSchema::new(&schema).unwrap();
    assert_eq!(schema.problems_as_written(&json!({ "token": "env:TOKEN" })), []);
    assert_eq!(schema.problems_as_written(&json!({ "token": "other" })).len(), 1);
    assert_eq!(SettingsSchema::new(&json!({})).unwrap().problems(&json!({ "any": 1 })), []);
}
