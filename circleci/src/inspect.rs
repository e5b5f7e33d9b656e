//! What doctor reads: who owns the token, the projects, their pipelines and their configuration. It
//! changes nothing, and judges nothing.

use std::collections::BTreeMap;

use chatops_core::config::Timeouts;
use chatops_http::{MAX_BODY_BYTES, VendorResponse, describe_error};
use reqwest::{Client, header};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use url::Url;
use uuid::Uuid;

use crate::wire::Item;
use crate::{api_url, authorize};

/// Reads what CircleCI shows to the owner of a token.
#[derive(Debug)]
pub struct CircleCiInspector {
    http: Client,
    api: Url,
    token: Option<SecretString>,
}

/// `GET /me`
#[derive(Debug, Clone, Deserialize)]
pub struct TokenOwner {
    /// The login.
    pub login: String,
    /// The name.
    #[serde(default, deserialize_with = "text_or_null")]
    pub name: String,
}

/// `GET /project/{slug}`
#[derive(Debug, Clone, Deserialize)]
pub struct FoundProject {
    /// The id.
    pub id: String,
    /// The name.
    #[serde(default, deserialize_with = "text_or_null")]
    pub name: String,
    /// The organisation's name.
    #[serde(default, deserialize_with = "text_or_null")]
    pub organization_name: String,
    vcs_info: Option<VcsInfo>,
}

#[derive(Debug, Clone, Deserialize)]
struct VcsInfo {
    default_branch: Option<String>,
}

impl FoundProject {
    /// The default branch, if CircleCI names it.
    #[must_use]
    pub fn default_branch(&self) -> Option<&str> {
        self.vcs_info.as_ref()?.default_branch.as_deref()
    }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub struct ItemPage<T> {
    /// The items, without those that are null.
    #[serde(deserialize_with = "items_without_null")]
    pub items: Vec<T>,
    /// Where the next page begins; `None` for the last one.
    pub next_page_token: Option<String>,
}

/// `GET /projects/{id}/pipeline-definitions`
#[derive(Debug, Clone, Deserialize)]
pub struct PipelineDefinition {
    /// The id.
    pub id: Uuid,
    /// The name.
    #[serde(default, deserialize_with = "text_or_null")]
    pub name: String,
}

/// `GET /project/{slug}/pipeline`
#[derive(Debug, Clone, Deserialize)]
pub struct ListedPipeline {
    /// The id.
    pub id: Uuid,
    /// The number within the project.
    pub number: u64,
}

/// `GET /pipeline/{id}/config`
#[derive(Debug, Clone, Deserialize)]
pub struct PipelineConfig {
    #[serde(default, deserialize_with = "text_or_null")]
    source: String,
    #[serde(default, deserialize_with = "text_or_null")]
    compiled: String,
    #[serde(default, rename = "setup-config", deserialize_with = "text_or_null")]
    setup_source: String,
    #[serde(
        default,
        rename = "compiled-setup-config",
        deserialize_with = "text_or_null"
    )]
    compiled_setup: String,
}

impl PipelineConfig {
    /// The configuration that takes the parameters: with a setup workflow, the one of the setup.
    #[must_use]
    pub fn yaml(&self) -> Option<&str> {
        written(&self.setup_source).or_else(|| written(&self.source))
    }

    /// The configuration that followed the setup workflow; `None` without one.
    #[must_use]
    pub fn continuation(&self) -> Option<&str> {
        written(&self.setup_source).and_then(|_| written(&self.source))
    }

    /// The configuration that was run, with its orbs expanded; none if it had an error.
    #[must_use]
    pub fn compiled(&self) -> Option<&str> {
        written(&self.compiled)
    }

    /// The configuration of the setup workflow, with its orbs expanded.
    #[must_use]
    pub fn compiled_setup(&self) -> Option<&str> {
        written(&self.compiled_setup)
    }

    /// The workflows of the configuration that was run, in alphabetical order; `None` if that is not
    /// shown, or cannot be read. A workflow that a condition leaves out of this run is not among them.
    #[must_use]
    pub fn workflow_names(&self) -> Option<Vec<String>> {
        #[derive(Deserialize)]
        struct Compiled {
            #[expect(clippy::zero_sized_map_values, reason = "only the keys matter")]
            workflows: Option<BTreeMap<String, IgnoredAny>>,
        }
        // A key that stands twice is in use: CircleCI accepts it.
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        };
        let yaml = self.compiled()?;
        let read: Compiled = serde_saphyr::from_str_with_options(yaml, options).ok()?;
        let names = read.workflows.unwrap_or_default().into_keys();
        // The one key below `workflows` that names none.
        Some(names.filter(|name| name != "version").collect())
    }
}

fn written(yaml: &str) -> Option<&str> {
    Some(yaml).filter(|yaml| !yaml.trim().is_empty())
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn items_without_null<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let items = Vec::<Item<T>>::deserialize(deserializer)?;
    Ok(items.into_iter().filter_map(Item::known).collect())
}

impl CircleCiInspector {
    /// An inspector of the API at `api`, with a token or without.
    pub fn new(
        api: Url,
        timeouts: &Timeouts,
        token: Option<SecretString>,
    ) -> reqwest::Result<Self> {
        let http = chatops_http::client_builder(timeouts).build()?;
        Ok(Self { http, api, token })
    }

    /// Reads `/api/…`; the error says why there is no answer.
    pub async fn get(
        &self,
        segments: &[&str],
        query: Option<(&str, &str)>,
    ) -> Result<VendorResponse, String> {
        let mut url = api_url(&self.api, segments);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = self.http.get(url);
        let request = match &self.token {
            Some(token) => authorize(request, token)?,
            None => request.header(header::ACCEPT, "application/json"),
        };
        let response = request
            .send()
            .await
            .map_err(|error| describe_error(&error))?;
        Ok(VendorResponse::read(response, MAX_BODY_BYTES).await)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(compiled: &str) -> PipelineConfig {
        serde_json::from_value(json!({ "source": "x", "compiled": compiled })).unwrap()
    }

    #[test]
    fn the_workflows_of_the_compiled_configuration_are_named() {
        let yaml = "\
version: 2
jobs:
  build: {docker: [{image: 'cimg/base:2026.01'}], steps: [checkout]}
workflows:
  version: 2
  deploy:
    jobs: [build]
  \"lint & test\":
    jobs:
    - build
  2026:
    jobs: [build]
# Original config.yml file:
# workflows:
#   other:
";
        let names = ["2026", "deploy", "lint & test"].map(str::to_owned);
        assert_eq!(config(yaml).workflow_names(), Some(names.to_vec()));
        for none in [
            "version: 2",
            "workflows:",
            "workflows: {}",
            "workflows: {version: 2}",
        ] {
            assert_eq!(config(none).workflow_names(), Some(vec![]), "{none}");
        }
        for unreadable in [
            "",
            " \n",
            "workflows: [a]",
            "workflows: a",
            "a: b: c",
            "[",
            "\0",
        ] {
            assert_eq!(config(unreadable).workflow_names(), None, "{unreadable}");
        }
    }

    #[test]
    fn each_form_of_a_configuration_is_told_from_the_others() {
        let shown: PipelineConfig = serde_json::from_value(json!({
            "source": "a", "compiled": "b", "setup-config": "c", "compiled-setup-config": "d",
        }))
        .unwrap();
        assert_eq!(shown.yaml(), Some("c"));
        assert_eq!(shown.compiled(), Some("b"));
        assert_eq!(shown.compiled_setup(), Some("d"));
        let plain: PipelineConfig = serde_json::from_value(json!({
            "source": "a", "compiled": null, "setup-config": null, "compiled-setup-config": "",
        }))
        .unwrap();
        assert_eq!(plain.yaml(), Some("a"));
        assert_eq!((plain.compiled(), plain.compiled_setup()), (None, None));
        assert_eq!(plain.workflow_names(), None);
    }

    #[test]
    fn a_null_costs_its_item_alone() {
        let page: ItemPage<PipelineDefinition> = serde_json::from_value(json!({
            "items": [null, {"id": Uuid::nil(), "name": null}, 7],
        }))
        .unwrap();
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.items[0].name, "");
        let owner: TokenOwner =
            serde_json::from_value(json!({"login": "a", "name": null})).unwrap();
        assert_eq!(owner.name, "");
        let project = json!({
            "id": "1", "name": null, "organization_name": null, "vcs_info": {"default_branch": null},
        });
        let project: FoundProject = serde_json::from_value(project).unwrap();
        assert_eq!(project.default_branch(), None);
        let page = serde_json::from_value::<ItemPage<Value>>(json!({ "items": null }));
        assert!(page.is_err());
    }
}
