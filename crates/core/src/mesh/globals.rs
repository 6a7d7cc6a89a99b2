//! Globals: names that all members of a mesh know. Each has one owner: of several that claim it, the one who did so first.
//! Pure.

use std::collections::BTreeMap;

use crate::pid::Pid;

/// Most global names of one node: each is known to all.
pub(crate) const GLOBAL_NAMES_MAX: usize = 10_000;
/// What the key of a name begins with, among what members say.
const KEY: &str = "name:";

/// Who wants a name. The least claim holds it: the oldest, then that of the lesser node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    /// When it was made, in microseconds since 1970.
    pub(crate) since: u64,
    /// The owner's node.
    pub(crate) node: String,
    /// The owner's pid there.
    pub(crate) pid: Pid,
}

/// Names and who claims them: one claim a name.
pub(crate) type Claims = BTreeMap<String, Claim>;

/// Decides who holds each name, by the claims of this node and those of others: the names that others hold.
pub(crate) fn settle(own: &Claims, others: impl IntoIterator<Item = (String, Claim)>) -> Claims {
    let mut elsewhere = Claims::new();
    for (name, claim) in others {
        let best = elsewhere.get(&name).or_else(|| own.get(&name));
        if best.is_none_or(|best| claim < *best) {
            elsewhere.insert(name, claim);
        }
    }
    elsewhere
}

/// A claim as members tell it: key and value.
pub(crate) fn said(name: &str, claim: &Claim) -> (String, String) {
    (format!("{KEY}{name}"), format!("{} {}", claim.since, claim.pid.get()))
}

/// A claim that this node told; `None` for what is none.
pub(crate) fn heard(node: &str, key: &str, value: &str) -> Option<(String, Claim)> {
    let name = key.strip_prefix(KEY)?;
    let (since, pid) = value.split_once(' ')?;
    let pid = Pid::from_u64(pid.parse().ok()?).filter(|pid| !pid.is_proxy())?;
    let claim = Claim { since: since.parse().ok()?, node: node.to_owned(), pid };
    Some((name.to_owned(), claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(since: u64, node: &str) -> Claim {
        Claim { since, node: node.to_owned(), pid: Pid::new(1, 1) }
    }

    #[test]
    fn the_oldest_claim_holds_a_name() {
        for (own, others, elsewhere) in [
            (None, vec![], None),
            (Some(5), vec![], None),
            (None, vec![(5, "a")], Some((5, "a"))),
            (Some(5), vec![(4, "z")], Some((4, "z"))),
            (Some(5), vec![(6, "a")], None),
            (Some(5), vec![(5, "a")], Some((5, "a"))),
            (Some(5), vec![(5, "z")], None),
            (None, vec![(5, "z"), (5, "a"), (6, "b")], Some((5, "a"))),
            (Some(3), vec![(2, "z"), (1, "a")], Some((1, "a"))),
        ] {
            let name = || "mail".to_owned();
            let ours: Claims = own.map(|since| (name(), claim(since, "m"))).into_iter().collect();
            let theirs: Vec<_> = others.iter().map(|(since, node)| (name(), claim(*since, node))).collect();
            let expected: Claims =
                elsewhere.map(|(since, node)| (name(), claim(since, node))).into_iter().collect();
            assert_eq!(settle(&ours, theirs.clone()), expected, "{own:?} {others:?}");
            assert_eq!(settle(&ours, theirs.into_iter().rev()), expected, "in any order");
        }
    }

    #[test]
    fn claims_are_told_and_heard() {
        let told = Claim { since: 7, node: "a".to_owned(), pid: Pid::from_u64(1 << 28).unwrap() };
        let (key, value) = said("mail: 1", &told);
        assert_eq!((&*key, &*value), ("name:mail: 1", "7 268435456"));
        assert_eq!(heard("a", &key, &value), Some(("mail: 1".to_owned(), told)));
        for (key, value) in [
            ("mail", "7 268435456"),
            ("name:mail", ""),
            ("name:mail", "7"),
            ("name:mail", "x 268435456"),
            ("name:mail", "7 0"),
            ("name:mail", "7 4503599895805952"),
        ] {
            assert_eq!(heard("a", key, value), None, "{key} {value}");
        }
    }
}
