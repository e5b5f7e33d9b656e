//! Answers to wishes: why a retry or a cancel cannot be, and that a cancel is on its way.

use super::deploy::{headline, linked, retry, somebody, whole};
use super::help::ids;
use super::intake::to_asker;
use super::sign::sign;
use super::{Audience, Line, Post, reason, refusal, typed};
use crate::command::Verb;
use crate::config::Config;
use crate::decide::Retryable;
use crate::deploy::{By, CancelWish, Head, Reason, State};
use crate::id::{DeployRef, ShortId};
use crate::policy::Refusal;

/// No deploy has that id.
#[must_use]
pub fn unknown_deploy(deploy: &DeployRef, config: &Config) -> Post {
    to_asker(
        Line::new(":speech_balloon: *Not known:* there is no deploy ")
            .code(deploy)
            .and("."),
    )
    .detail(ids(config))
}

/// The deploy at the end of the chain is not tried again.
#[must_use]
pub fn not_retried(head: &Head, why: Retryable, config: &Config) -> Post {
    let post = to_asker(headline(Line::new(":no_entry: *Not retried:* "), head));
    let (_, word) = sign(head.state);
    let anew = || Line::new("As a new deploy: ").code(typed::again(config, &head.ask));
    let see = |id: &ShortId| Line::new("See ").code(typed::about(config, Verb::Status, id));
    let post = match why {
        Retryable::Yes | Retryable::Retried => {
            let id = head
                .retried_by
                .map_or(head.short.clone(), |id| id.short(ShortId::USUAL));
            let line = Line::new("It is being tried again already, as ");
            post.detail(line.code(&id).and(". ").then(&see(&id)))
        }
        Retryable::Open => {
            let line = Line::new("It has not ended: *").and(word).and("*. ");
            post.detail(line.then(&see(&head.short)))
        }
        Retryable::Ran => post
            .detail(match head.state {
                State::Canceled => Line::new("It was canceled, so nothing waits for a retry."),
                _ => Line::new("It reached CircleCI and ended there: *")
                    .and(word)
                    .and("*."),
            })
            .detail(anew()),
        Retryable::NeedsConfirm => {
            let post = post.detail(Line::new(
                "Whether CircleCI started it is not known, and it must not run twice.",
            ));
            let post = post.details(match head.end.as_ref().map(|end| &end.reason) {
                Some(Reason::Unproven { candidates, .. }) => reason::maybe(candidates),
                _ => None,
            });
            let line = Line::new("Look at CircleCI. If it did not start there: ");
            post.detail(line.code(retry(head, config)))
        }
        Retryable::TooOld => {
            let line = Line::new("It ended more than 24 hours ago");
            let line = match &head.end {
                Some(end) => line.and(", ").moment(end.at),
                None => line,
            };
            post.detail(line.and(".")).detail(anew())
        }
    };
    linked(post, head)
}

/// The wish to cancel is on record. `head` is the deploy as it stood.
#[must_use]
pub fn cancel_noted(head: &Head, by: &By) -> Post {
    let headline = headline(Line::new(":octagonal_sign: *Canceling:* "), head);
    let post = Post::new(Audience::Channel, headline.and(" · ").by(by));
    linked(post.detail(from_here(head)), head)
}

/// Somebody wished so before.
#[must_use]
pub fn already_wished(head: &Head, earlier: &CancelWish) -> Post {
    let headline = headline(Line::new(":octagonal_sign: *Canceling already:* "), head);
    let line = somebody(Line::new("Wished by "), &earlier.by, &head.ask);
    let line = line.and(", ").moment(earlier.at).and(". ");
    linked(to_asker(headline).detail(line.then(&from_here(head))), head)
}

/// What happens next to a deploy that is to be canceled.
fn from_here(head: &Head) -> Line {
    Line::new(match head.state {
        State::Requested => "Nothing was sent to CircleCI yet, so it ends at once.",
        State::Armed => {
            "It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how \
             it ends is told once CircleCI says so."
        }
        _ => "CircleCI is asked to cancel it; how it ends is told once CircleCI says so.",
    })
}

/// It has ended, so there is nothing to cancel.
#[must_use]
pub fn ended_before(head: &Head) -> Post {
    let post = to_asker(whole(head).and(" · ").user(&head.ask.user));
    linked(
        post.detail(Line::new("It has ended: there is nothing to cancel.")),
        head,
    )
}

/// This person may not cancel it.
#[must_use]
pub fn cancel_denied(head: &Head, refusal: &Refusal) -> Post {
    to_asker(headline(Line::new(":no_entry: *Not canceled:* "), head))
        .detail(
            Line::new("It can be canceled by the one who asked, ")
                .user(&head.ask.user)
                .and(", and by whoever may run that job from where they are."),
        )
        .details(refusal::lines(refusal, None))
}
