//! What doctor reads: who owns the token, the projects, their pipelines and their configuration. It
//! changes nothing, and judges nothing.

use chatops_core::config::Timeouts;
use chatops_http::{VendorResponse, describe_error};
use reqwest::{Client, header};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::response::MAX_BODY_BYTES;
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
    #[serde(default)]
    pub name: String,
}

/// `GET /project/{slug}`
#[derive(Debug, Clone, Deserialize)]
pub struct FoundProject {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The organisation's name.
    #[serde(default)]
    pub organization_name: String,
    vcs_info: Option<VcsInfo>,
}

#[derive(Debug, Clone, Deserialize)]
struct VcsInfo {
    default_branch: String,
}

impl FoundProject {
    /// The default branch, if CircleCI names it.
    #[must_use]
    pub fn default_branch(&self) -> Option<&str> {
        let vcs = self.vcs_info.as_ref()?;
        Some(vcs.default_branch.as_str())
    }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct ItemPage<T> {
    /// The items.
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
    #[serde(default)]
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
    #[serde(default)]
    source: String,
    #[serde(default, rename = "setup-config")]
    setup_source: String,
}

impl PipelineConfig {
    /// The configuration that takes the parameters: with a setup workflow, the one of the setup.
    #[must_use]
    pub fn yaml(&self) -> Option<&str> {
        let sources = [&self.setup_source, &self.source];
        let mut written = sources.into_iter().filter(|yaml| !yaml.trim().is_empty());
        written.next().map(String::as_str)
    }
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
