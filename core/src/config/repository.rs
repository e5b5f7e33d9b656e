//! The repository of a project on the web, for links to commits and comparisons.

use toml::Spanned;
use url::Url;

use super::ProjectSlug;
use super::mistake::Finding;

/// A repository's web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    page: Url,
    host: HostKind,
}

/// Whose addresses it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostKind {
    GitHub,
    Bitbucket,
    GitLab,
}

impl Repository {
    /// The repository that a slug names: not of the GitHub App and of GitLab.
    #[must_use]
    pub fn of_slug(slug: &ProjectSlug) -> Option<Self> {
        let origin = match slug.vcs.as_str() {
            "gh" => "https://github.com",
            "bb" => "https://bitbucket.org",
            _ => return None,
        };
        let mut page = Url::parse(origin).ok()?;
        page.path_segments_mut()
            .ok()?
            .extend([&slug.org, &slug.repo]);
        Some(Self::at(page))
    }

    /// A web page as the configuration names it.
    pub(super) fn parse(raw: &Spanned<String>) -> Result<Self, Finding> {
        let text = raw.get_ref();
        let wrong = || {
            let why = format!(
                "'{text}' is not a repository's web page such as https://github.com/acme/web"
            );
            Finding::new(raw.span(), why)
        };
        let mut page = Url::parse(text).map_err(|_| wrong())?;
        let path = page.path().trim_matches('/').trim_end_matches(".git");
        let is_page = page.scheme() == "https"
            && page.username().is_empty()
            && page.password().is_none()
            && page.query().is_none()
            && page.fragment().is_none()
            && path.contains('/');
        if !is_page {
            return Err(wrong());
        }
        let path = format!("/{path}");
        page.set_path(&path);
        Ok(Self::at(page))
    }

    fn at(page: Url) -> Self {
        let host = page.host_str().unwrap_or_default();
        // An installation of one's own has the name in its host, or is GitHub's.
        let host = if host.contains("gitlab") {
            HostKind::GitLab
        } else if host.contains("bitbucket") {
            HostKind::Bitbucket
        } else {
            HostKind::GitHub
        };
        Self { page, host }
    }

    /// The address of a commit; `None` if it is no commit.
    #[must_use]
    pub fn commit_url(&self, revision: &str) -> Option<Url> {
        let kind = match self.host {
            HostKind::GitHub => "commit",
            HostKind::Bitbucket => "commits",
            HostKind::GitLab => "-/commit",
        };
        is_revision(revision).then(|| self.below(&format!("{kind}/{revision}")))
    }

    /// The address that shows what `head`, a commit, a branch or a tag, has and the commit `base` has not;
    /// `None` if that is no commit.
    #[must_use]
    pub fn compare_url(&self, base: &str, head: &str) -> Option<Url> {
        // The rest is escaped where it has to be; a slash stays.
        let head = head.replace('%', "%25");
        let path = match self.host {
            HostKind::GitHub => format!("compare/{base}...{head}"),
            HostKind::Bitbucket => format!("branches/compare/{head}%0D{base}"),
            HostKind::GitLab => format!("-/compare/{base}...{head}"),
        };
        is_revision(base).then(|| self.below(&path))
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.page.clone();
        url.set_path(&format!("{}/{path}", self.page.path()));
        url
    }
}

/// Whether it is a commit.
fn is_revision(revision: &str) -> bool {
    !revision.is_empty() && revision.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Repository, String> {
        let raw = Spanned::new(0..0, text.to_owned());
        Repository::parse(&raw).map_err(|found| found.message)
    }

    #[test]
    fn each_host_has_its_addresses() {
        for (page, commit, compare) in [
            (
                "https://github.com/acme/web",
                "https://github.com/acme/web/commit/abc",
                "https://github.com/acme/web/compare/def...feature/a%23b%25",
            ),
            (
                "https://bitbucket.org/acme/web/",
                "https://bitbucket.org/acme/web/commits/abc",
                "https://bitbucket.org/acme/web/branches/compare/feature/a%23b%25%0Ddef",
            ),
            (
                "https://gitlab.example.com/acme/shop/web.git",
                "https://gitlab.example.com/acme/shop/web/-/commit/abc",
                "https://gitlab.example.com/acme/shop/web/-/compare/def...feature/a%23b%25",
            ),
            (
                "https://git.example.com/acme/web",
                "https://git.example.com/acme/web/commit/abc",
                "https://git.example.com/acme/web/compare/def...feature/a%23b%25",
            ),
        ] {
            let repository = parse(page).unwrap();
            assert_eq!(repository.commit_url("abc").unwrap().as_str(), commit);
            let url = repository.compare_url("def", "feature/a#b%").unwrap();
            assert_eq!(url.as_str(), compare);
        }
    }

    #[test]
    fn only_commits_are_linked() {
        let repository = parse("https://github.com/acme/web").unwrap();
        for wrong in ["", "main", "../x", "abc|", "-"] {
            assert_eq!(repository.commit_url(wrong), None);
            assert_eq!(repository.compare_url(wrong, "main"), None);
        }
    }

    #[test]
    fn a_repository_is_a_web_page() {
        for wrong in [
            "",
            "acme/web",
            "git@github.com:acme/web.git",
            "http://github.com/acme/web",
            "https://github.com",
            "https://github.com/acme",
            "https://ana:secret@github.com/acme/web",
            "https://github.com/acme/web?tab=readme",
        ] {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains("such as https://github.com/acme/web"), "{why}");
        }
    }
}
