//! Words: what JavaScript writes for a policy, a strategy or a kind of restart.

use iris_core::{Error, Overflow, Pid, Restart, Strategy};

/// Letters alone, in lower case: `RestartOne`, `restart_one` and `restart-one` are one word.
fn plain(word: &str) -> String {
    word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What happens to a message beyond a mailbox's bounds.
pub(crate) fn overflow(word: &str, target: Option<Pid>) -> Result<Overflow, Error> {
    let policy = match (plain(word).as_str(), target) {
        ("dropnew" | "dropnewest", None) => Overflow::DropNewest,
        ("dropold" | "dropoldest", None) => Overflow::DropOldest,
        ("block", None) => Overflow::Block,
        ("spill", target) => Overflow::Spill(target),
        ("redirect", Some(target)) => Overflow::Redirect(target),
        ("redirect", None) => return Err(Error::invalid("the policy redirect needs a target")),
        ("dropnew" | "dropnewest" | "dropold" | "dropoldest" | "block", Some(_)) => {
            return Err(Error::invalid(format!("the policy {word} takes no target")));
        }
        _ => {
            let message = format!("policy must be dropnew, dropold, block, redirect or spill, not {word:?}");
            return Err(Error::invalid(message));
        }
    };
    Ok(policy)
}

/// Whom a child's failure concerns.
pub(crate) fn strategy(word: &str) -> Result<Strategy, Error> {
    match plain(word).as_str() {
        "restartone" | "oneforone" => Ok(Strategy::OneForOne),
        "restartall" | "oneforall" => Ok(Strategy::OneForAll),
        "restartrest" | "restforone" => Ok(Strategy::RestForOne),
        _ => Err(Error::invalid(format!(
            "strategy must be RestartOne, RestartAll, one_for_one, one_for_all or rest_for_one, not {word:?}"
        ))),
    }
}

/// When a child is restarted.
pub(crate) fn restart(word: &str) -> Result<Restart, Error> {
    match plain(word).as_str() {
        "permanent" => Ok(Restart::Permanent),
        "transient" => Ok(Restart::Transient),
        "temporary" => Ok(Restart::Temporary),
        _ => Err(Error::invalid(format!("restart must be permanent, transient or temporary, not {word:?}"))),
    }
}
