//! Allow: which names a peer may find, and so which actors it may reach, by patterns of both names. Pure.

/// Peers whose name fits one pattern may reach actors whose name fits the other. `*` stands for any text, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The pattern of the peer's name.
    pub peer: String,
    /// The pattern of the actor's name.
    pub name: String,
}

/// The patterns of names that a peer may reach; `None`: there are no rules, and it may reach all.
pub(crate) fn names_for(rules: Option<&[Allow]>, peer: &str) -> Option<Vec<String>> {
    let fitting = rules?.iter().filter(|rule| fits(&rule.peer, peer));
    Some(fitting.map(|rule| rule.name.clone()).collect())
}

/// Whether a text fits a pattern.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place leaves most for the parts behind it.
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, expected) in [
            ("mail", "mail", true),
            ("mail", "mails", false),
            ("mail", "Mail", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "anything", true),
            ("mail-*", "mail-", true),
            ("mail-*", "mail-1", true),
            ("mail-*", "mail", false),
            ("*-1", "mail-1", true),
            ("*-1", "mail-11", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("é*", "ée", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_peer_may_what_its_rules_say_and_all_without_rules() {
        let rule = |peer: &str, name: &str| Allow { peer: peer.to_owned(), name: name.to_owned() };
        let rules = [rule("web-*", "mail"), rule("web-1", "stats-*"), rule("*", "time")];
        for (peer, expected) in [("web-1", vec!["mail", "stats-*", "time"]), ("other", vec!["time"])] {
            assert_eq!(names_for(Some(&rules), peer).unwrap(), expected, "{peer}");
        }
        assert_eq!(names_for(Some(&[]), "web-1"), Some(Vec::new()));
        assert_eq!(names_for(None, "web-1"), None);
    }
}
