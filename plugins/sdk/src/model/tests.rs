//! A provider of the plainest kind, asked through remotes that answer as told.

use serde_json::{Value, json};

use super::*;
use crate::http::Signing;
use crate::intelligence::Priority;

struct Plain(Common);

impl ModelProvider for Plain {
    const SERVICE: Service = Service {
        plugin: "plain",
        version: "1.0.0",
        summary: "for tests",
        name: "Plain",
        base_url: "https://api.example/v1",
        model: "small",
        timeout_s: 30,
        auth: Auth::Bearer,
        no_model: "ask for another",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = chat::REFUSABLE;

    fn own_settings() -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        Self(settings.common(&Self::SERVICE))
    }

    fn common(&self) -> &Common {
        &self.0
    }

    fn call(&self, question: &Question<'_>) -> Call {
        let body = chat::body(question, chat::OLD_LIMIT_FIRST);
        Call { url: format!("{}{}", self.0.base_url, chat::PATH), headers: Vec::new(), body }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        chat::read(body)
    }
}

/// Gives its answers in turn, the last one for ever.
struct Script {
    answers: Vec<(u16, String)>,
    asked: Vec<Value>,
}

impl Remote for Script {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        self.asked.push(serde_json::from_slice(&request.body).unwrap());
        let (status, body) =
            if self.answers.len() > 1 { self.answers.remove(0) } else { self.answers[0].clone() };
        Ok(Response { status, headers: Vec::new(), body: body.into_bytes() })
    }

    fn send_signed(&mut self, request: &Request, _signing: &Signing) -> Result<Response, HttpError> {
        self.send(request)
    }

    fn now(&mut self) -> i64 {
        0
    }
}

fn ask(answers: Vec<(u16, String)>, config: &str) -> (Result<Analysis, PluginError>, Vec<Value>) {
    let mut remote = Script { answers, asked: Vec::new() };
    let request = AnalysisRequest {
        task: "incident".to_owned(),
        incident: "{}".to_owned(),
        alerts: Vec::new(),
        checks: "[]".to_owned(),
        options: String::new(),
        max_output_tokens: 500,
    };
    let result = analyze::<Plain>(&request, config, &mut remote);
    (result, remote.asked)
}

const CONFIG: &str = r#"{"api_key":"secret://api_key","temperature":0.5}"#;

fn said(content: &str) -> (u16, String) {
    (200, json!({ "choices": [{ "message": { "content": content } }] }).to_string())
}

fn refusal(status: u16, message: &str) -> (u16, String) {
    (status, json!({ "error": { "message": message } }).to_string())
}

fn error_of(status: u16, body: &Value) -> PluginError {
    ask(vec![(status, body.to_string())], CONFIG).0.unwrap_err()
}

#[test]
fn what_the_remote_refuses_by_name_is_left_out_and_nothing_else() {
    let answers = vec![
        refusal(400, "unknown field response_format"),
        refusal(422, "'max_tokens' is not supported, use 'max_completion_tokens'"),
        refusal(400, "temperature must be left out"),
        said(r#"{"summary":"s","recommendations":[]}"#),
    ];
    let (result, asked) = ask(answers, CONFIG);
    assert_eq!(result.unwrap().summary, "s");
    let fields = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&asked[0]), ["max_tokens", "messages", "model", "response_format", "temperature"]);
    assert_eq!(fields(&asked[1]), ["max_tokens", "messages", "model", "temperature"]);
    assert_eq!(fields(&asked[2]), ["max_completion_tokens", "messages", "model", "temperature"]);
    assert_eq!(fields(&asked[3]), ["max_completion_tokens", "messages", "model"]);
}

#[test]
fn a_remote_that_goes_on_refusing_is_not_asked_for_ever() {
    for (message, requests) in [
        ("response_format", 2),
        ("response_format, temperature and max_tokens", 4),
        ("messages is too short", 1),
        ("maximum context length is 10 tokens, max_tokens is 500", 1),
    ] {
        let (result, asked) = ask(vec![refusal(400, message)], CONFIG);
        assert!(matches!(result, Err(PluginError::Rejected(_))), "{message}: {result:?}");
        assert_eq!(asked.len(), requests, "{message}");
    }
    let (result, asked) = ask(vec![refusal(500, "response_format")], CONFIG);
    assert!(matches!(result, Err(PluginError::Unavailable(_))) && asked.len() == 1);
}

#[test]
fn every_form_of_an_answer_is_read() {
    let one =
        r#"{"title":"t","description":"d","type":"DISK","priority":"High","actions":[{"step":"a"},"b",7]}"#;
    for content in [
        format!(r#"{{"summary":"s","recommendations":[{one}]}}"#),
        format!(r#"{{"recommendations":{one}}}"#),
        format!("[{one}]"),
        one.to_owned(),
        format!("```json\n[{one}]\n```"),
        format!("Sure [1]! {{not json}}\n{{\"analysis\":{{\"result\":[{one}]}}}}\nBye."),
        format!("[{one},{{\"title\":\"cut of"),
        json!({ "recommendations": format!("[{one}]") }).to_string(),
    ] {
        let analysis = ask(vec![said(&content)], CONFIG).0.unwrap();
        let [only] = analysis.recommendations.as_slice() else { panic!("{content}: {analysis:?}") };
        assert_eq!((only.kind.as_str(), only.priority), ("disk", Priority::High), "{content}");
        assert_eq!((only.title.as_str(), only.description.as_str()), ("t", "d"));
        assert_eq!(only.actions, ["a", "b", "7"]);
        assert!(!analysis.summary.is_empty() && analysis.prompt_version.as_deref() == Some(prompt::VERSION));
    }
}

#[test]
fn what_says_nothing_is_dropped_and_prose_is_kept() {
    let content = r#"{"recommendations":[{"type":"disk"},{"title":"only a title"},null,5,"text"]}"#;
    let analysis = ask(vec![said(content)], CONFIG).0.unwrap();
    let [only] = analysis.recommendations.as_slice() else { panic!("{analysis:?}") };
    assert_eq!((only.title.as_str(), only.description.as_str()), ("only a title", "only a title"));
    assert_eq!((only.kind.as_str(), only.priority), ("general", Priority::Medium));
    for prose in ["é".repeat(2_000), "{}".to_owned(), "[1,2]".to_owned(), "null".to_owned()] {
        let analysis = ask(vec![said(&prose)], CONFIG).0.unwrap();
        let [only] = analysis.recommendations.as_slice() else { panic!("{analysis:?}") };
        assert_eq!(only.description, prose.chars().take(500).collect::<String>());
    }
}

#[test]
fn an_analysis_keeps_to_the_bounds_of_the_contract() {
    let long = "é\u{202e}\n\u{7}".repeat(800);
    let mut actions = vec![json!("x"); 40];
    actions[0] = json!(long);
    let item = json!({ "title": long, "description": long, "actions": actions, "type": long });
    let content =
        json!({ "summary": long, "probable_cause": long, "recommendations": vec![item; 3] }).to_string();
    let short = json!({ "recommendations": vec![json!({ "title": "t" }); 60] }).to_string();
    for content in [content, short] {
        let mut answer: Value = serde_json::from_str(&said(&content).1).unwrap();
        answer["model"] = json!(long);
        let analysis = ask(vec![(200, answer.to_string())], CONFIG).0.unwrap();
        assert!(analysis.recommendations.len() <= 20 && !analysis.recommendations.is_empty());
        assert!(analysis.summary.len() <= 5_000 && analysis.probable_cause.len() <= 5_000);
        assert!(analysis.model.len() <= 128);
        for one in &analysis.recommendations {
            assert!(!one.title.is_empty() && one.title.len() <= 200, "{}", one.title);
            assert!(!one.title.contains(|character: char| character.is_control() || character == '\u{202e}'));
            assert!(one.description.len() <= 4_096 && one.actions.len() <= 10);
            assert!(one.actions.iter().all(|action| action.len() <= 1_024));
        }
    }
}

#[test]
fn errors_hold_no_key_in_any_of_the_forms_that_remotes_echo() {
    for key in [
        "sk-proj-abcdefghijklmnopqrstuvwx1234",
        "sk-abc***********xyz9",
        "'sk-ant-api03-Zm9v'",
        "xai-Ab****yz",
        "AIzaSyA1234567890abcdefg",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0",
        "0123456789abcdef0123456789abcdef",
        "Key=0123456789abcdef0123456789abcdef,",
        "abcd...wxyz1234",
    ] {
        let text = format!("the key {key} is wrong for claude-sonnet-4-20250514");
        for body in [
            json!({ "error": { "message": text } }),
            json!({ "error": text }),
            json!({ "message": text }),
            json!({ "detail": text }),
            json!({ "detail": [{ "loc": ["body"], "msg": text }] }),
        ] {
            let message = format!("{:?}", error_of(400, &body));
            let bare = key.trim_matches(|character: char| !character.is_ascii_alphanumeric());
            assert!(!message.contains(bare), "{message}");
            assert!(message.contains("[…] is wrong for claude-sonnet-4-20250514"), "{message}");
        }
    }
}

#[test]
fn an_error_that_comes_with_success_is_one_all_the_same() {
    for (error, is_expected) in [
        (json!("overloaded"), "rejected"),
        (json!({ "code": "server_error", "message": "m" }), "unavailable"),
        (json!({ "code": "rate_limit_exceeded" }), "limited"),
    ] {
        let kind = match error_of(200, &json!({ "error": error, "choices": [] })) {
            PluginError::Rejected(_) => "rejected",
            PluginError::Unavailable(_) => "unavailable",
            PluginError::RateLimited(None) => "limited",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, is_expected);
    }
}

#[test]
fn what_is_no_answer_passes() {
    for body in ["", "null", "[]", "{}", "\u{feff}x", "<html>", r#"{"choices":{}}"#, r#"{"choices":[]}"#] {
        let result = ask(vec![(200, body.to_owned())], CONFIG).0;
        assert!(matches!(result, Err(PluginError::Unavailable(_))), "{body}: {result:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    let message =
        |config: &str| problems::<Plain>(config).into_iter().map(|problem| problem.path).collect::<Vec<_>>();
    assert!(message(CONFIG).is_empty());
    assert_eq!(message(""), ["/api_key"]);
    assert_eq!(message("[]"), ["/api_key"]);
    for (setting, value) in [
        ("model", json!("a b")),
        ("base_url", json!("api.example")),
        ("base_url", json!("https://me:pass@api.example")),
        ("base_url", json!("https://api.example/?key=secret://api_key")),
        ("timeout_s", json!(0)),
        ("timeout_s", json!(111)),
        ("max_tokens", json!(1.5)),
        ("temperature", json!(-0.1)),
        ("temperature", json!("hot")),
    ] {
        let config = json!({ "api_key": "secret://api_key", setting: value }).to_string();
        assert_eq!(message(&config), [format!("/{setting}")], "{config}");
    }
}

#[test]
fn the_schema_marks_the_key_and_the_default_model() {
    let info = metadata::<Plain>();
    let schema: Value = serde_json::from_str(&info.config_schema).unwrap();
    assert_eq!(schema["properties"]["api_key"]["format"], "secret");
    assert_eq!(schema["properties"]["model"]["default"], "small");
    assert_eq!(schema["required"], json!(["api_key"]));
    assert_eq!(info.hosts, ["https://api.example"]);
    assert_eq!(info.tasks, ["incident"]);
}
