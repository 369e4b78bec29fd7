//! Rust source as tokens: without comments, and with test modules apart.
//!
//! Tokens rather than a syntax tree, because the rules also look into the arguments of macros.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// One token; the delimiters of groups are tokens of their own, and so is `::`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// A `:` that may be the first half of `::`.
    is_half: bool,
}

/// A path such as `crate::store::open`, written in one piece or out of a `use`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// The tokens of one file.
#[derive(Default)]
pub(crate) struct Rust {
    /// All but test modules.
    pub(crate) code: Vec<Token>,
    /// What is under `#[cfg(test)]`.
    pub(crate) tests: Vec<Token>,
    /// Number of lines under `#[cfg(test)]`.
    pub(crate) test_lines: usize,
}

impl Rust {
    /// Splits a file into tokens.
    ///
    /// # Errors
    /// The line that is no Rust.
    pub(crate) fn read(text: &str) -> Result<Self, usize> {
        let stream = TokenStream::from_str(text).map_err(|error| error.span().start().line)?;
        let mut rust = Self::default();
        rust.sort_out(stream);
        Ok(rust)
    }

    /// Puts the items of one level to the code or to the tests.
    fn sort_out(&mut self, stream: TokenStream) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut rest = trees.as_slice();
        while let Some((first, others)) = rest.split_first() {
            let length = if opens_tests(rest) { length_of_item(rest) } else { 0 };
            if let Some((item, after)) = rest.split_at_checked(length).filter(|(item, _)| !item.is_empty()) {
                let start = first.span().start().line;
                let end = item.last().map_or(start, |last| last.span().end().line);
                self.test_lines += end + 1 - start;
                flatten(item, &mut self.tests);
                rest = after;
                continue;
            }
            match first {
                TokenTree::Group(group) => {
                    let (open, close) = delimiters(group);
                    push(&mut self.code, open, group.span_open().start().line);
                    self.sort_out(group.stream());
                    push(&mut self.code, close, group.span_close().start().line);
                }
                other => flatten(std::slice::from_ref(other), &mut self.code),
            }
            rest = others;
        }
    }

    /// Every path with at least two segments, and every path of a `use`, outside of tests.
    pub(crate) fn paths(&self) -> Vec<NamedPath> {
        paths(&self.code)
    }

    /// Whether the file has a `mod` of this name, with its body here or in a file of its own.
    pub(crate) fn declares_module(&self, name: &str) -> bool {
        let is_mod = |(first, second): (&Token, &Token)| first.text == "mod" && second.text == name;
        self.code.iter().zip(self.code.iter().skip(1)).any(is_mod)
    }
}

/// Whether the next trees are `#[cfg(test)]`, also as `#[cfg(all(test, …))]`.
fn opens_tests(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = trees else { return false };
    if hash.as_char() != '#' || attribute.delimiter() != Delimiter::Bracket {
        return false;
    }
    let mut tokens = Vec::new();
    flatten(&attribute.stream().into_iter().collect::<Vec<_>>(), &mut tokens);
    let has = |word: &str| tokens.iter().any(|token| token.text == word);
    tokens.first().is_some_and(|token| token.text == "cfg") && has("test") && !has("not")
}

/// How many trees an item has: up to its block or its semicolon.
fn length_of_item(trees: &[TokenTree]) -> usize {
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    trees.iter().position(is_end).map_or(trees.len(), |end| end + 1)
}

fn delimiters(group: &Group) -> (&'static str, &'static str) {
    match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

fn push(tokens: &mut Vec<Token>, text: &str, line: usize) {
    tokens.push(Token { text: text.to_owned(), line, is_half: false });
}

fn flatten(trees: &[TokenTree], tokens: &mut Vec<Token>) {
    for tree in trees {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = delimiters(group);
                push(tokens, open, line);
                flatten(&group.stream().into_iter().collect::<Vec<_>>(), tokens);
                push(tokens, close, group.span_close().start().line);
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => match tokens.last_mut() {
                Some(last) if last.is_half => {
                    last.text.push(':');
                    last.is_half = false;
                }
                _ => {
                    let is_half = punct.spacing() == Spacing::Joint;
                    tokens.push(Token { text: ":".to_owned(), line, is_half });
                }
            },
            other => push(tokens, &other.to_string(), line),
        }
    }
}

fn paths(tokens: &[Token]) -> Vec<NamedPath> {
    let mut found = Vec::new();
    let mut rest = tokens;
    let mut before = "";
    while let Some((token, others)) = rest.split_first() {
        if token.text == "use" && others.first().is_some_and(|next| next.text != "<") {
            let used = read_use(others, &[], &mut found);
            rest = others.get(used..).unwrap_or_default();
            before = ";";
            continue;
        }
        let length = if before == "::" { 0 } else { length_of_path(rest) };
        if length > 1 {
            let segments = rest.iter().take(length).filter(|token| token.text != "::");
            let segments: Vec<String> = segments.map(|token| token.text.clone()).collect();
            if segments.len() > 1 || rest.get(1).is_some_and(|next| next.text == "::") {
                found.push(NamedPath { segments, line: token.line });
            }
        }
        before = &token.text;
        rest = others;
    }
    found
}

/// Number of tokens in `a::b::c`, a last `::` included.
fn length_of_path(tokens: &[Token]) -> usize {
    let mut wants_name = true;
    let fits = |token: &&Token| {
        let fits = if wants_name { is_name(&token.text) } else { token.text == "::" };
        wants_name = !wants_name;
        fits
    };
    tokens.iter().take_while(fits).count()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

/// Reads one tree of a `use`, adds its paths, and returns how many tokens it took.
fn read_use(tokens: &[Token], prefix: &[String], found: &mut Vec<NamedPath>) -> usize {
    let mut segments = prefix.to_vec();
    let mut taken = 0;
    let mut is_renamed = false;
    while let Some(token) = tokens.get(taken) {
        taken += 1;
        match token.text.as_str() {
            "{" => {
                while tokens.get(taken).is_some_and(|next| !matches!(next.text.as_str(), "}" | ";")) {
                    taken += read_use(tokens.get(taken..).unwrap_or_default(), &segments, found);
                    taken += usize::from(tokens.get(taken).is_some_and(|next| next.text == ","));
                }
                return taken + 1;
            }
            "," | ";" | "}" => {
                taken -= 1;
                break;
            }
            "::" => {}
            "as" => is_renamed = true,
            name if !is_renamed => segments.push(name.to_owned()),
            _ => {}
        }
    }
    let line = tokens.first().map_or(1, |token| token.line);
    found.push(NamedPath { segments, line });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_paths(text: &str, expected: &[&str]) {
        let rust = Rust::read(text).unwrap();
        let found: Vec<String> = rust.paths().iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn grouped_uses_are_taken_apart() {
        check_paths(
            "use crate::{a, b::{c as d, self}, e::*}; pub(crate) use x::y as z;",
            &["crate::a", "crate::b::c", "crate::b::self", "crate::e::*", "x::y"],
        );
    }

    #[test]
    fn paths_inside_of_macros_and_types_are_found() {
        check_paths(
            "fn f(x: Vec<crate::a::B>) { info!(\"{}\", crate::c::d()); }",
            &["crate::a::B", "crate::c::d"],
        );
    }

    #[test]
    fn comments_and_texts_are_no_paths() {
        check_paths("// use crate::a;\n/* crate::b::c */ const X: &str = \"crate::d::e\";", &[]);
    }

    #[test]
    fn a_path_is_found_once_and_from_its_start() {
        check_paths("fn f() { a::b::c::<d::E>(); }", &["a::b::c", "d::E"]);
    }

    #[test]
    fn what_is_under_cfg_test_is_apart() {
        let text = "use a::b;\n#[cfg(test)]\nmod tests {\n    use c::d;\n}\n#[cfg(not(test))]\nuse e::f;\n";
        let rust = Rust::read(text).unwrap();
        assert_eq!(rust.test_lines, 4);
        assert_eq!(rust.paths().len(), 2);
        assert!(rust.tests.iter().any(|token| token.text == "c"));
    }

    #[test]
    fn the_line_that_is_no_rust_is_named() {
        assert_eq!(Rust::read("fn a() {}\n)\n").err(), Some(2));
    }
}
