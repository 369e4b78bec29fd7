//! Links between documents lead somewhere.

use std::path::Path;

use crate::tidy::{Finding, Source};

/// Checks the relative links of a Markdown file.
pub(crate) fn check(source: &Source, root: &Path) -> Vec<Finding> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = root.join(&source.path);
    let folder = folder.parent().unwrap_or(root);
    let mut findings = Vec::new();
    let mut is_code = false;
    for (index, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for target in targets(line).filter(|target| is_relative(target)) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if !file.is_empty() && !folder.join(file).exists() {
                let message = format!("`{target}` leads nowhere: correct the link, or remove it");
                findings.push(Finding::new(source, index + 1, message));
            }
        }
    }
    findings
}

/// What stands between the parentheses of `[text](target)`, outside of `code`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, _)| {
        let is_code = line.get(..at)?.matches('`').count() % 2 == 1;
        let (target, _) = line.get(at + 2..)?.split_once(')')?;
        let target = target.split_whitespace().next().unwrap_or_default();
        (!is_code).then(|| target.trim_matches(['<', '>']))
    })
}

fn is_relative(target: &str) -> bool {
    !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;
    use crate::workspace::Workspace;

    fn check_lines(text: &str, lines: &[usize]) {
        let root = Workspace::here().unwrap().root;
        let findings = check(&source("host/a.md", text), &root);
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{findings:?}");
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        check_lines("[a](../Cargo.toml)\n[b](../nothing.toml) and [c](gone/)\n", &[2, 2]);
        check_lines("[a](../Cargo.toml#part \"title\")\n", &[]);
    }

    #[test]
    fn other_sites_anchors_and_code_are_not_looked_up() {
        check_lines("[a](https://example.org/x) [b](#part) `[c](nothing)`\n```\n[d](nothing)\n```\n", &[]);
    }
}
