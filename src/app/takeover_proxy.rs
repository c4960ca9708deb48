//! Builds the takeover proxy: its listener, and a CA of its own for the leaf certificates of cloud hosts.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;
use tokio::net::TcpListener;

use super::backend::Backend;
use super::error::StartError;
use super::services::Services;
use super::takeover::{HTTPS, Takeover};
use super::{settings, trust};
use crate::doors::vault;
use crate::http::ca::Ca;
use crate::http::error::ErrorCode;
use crate::http::server::{Listener, OnMalformed, Shutdown};
use crate::http::tls::CertificateResolver;
use crate::http::{RequestHandler, body};
use crate::proxy::{ClassifyHost, HostClass, LoadRoots, Proxy, ReportRefusal, Settings, Streamed, TrafficCounter};
use crate::trail::{AskedFor, Received, Trail};

/// The proxy's listener, not served yet.
pub(super) struct ProxyListener {
    listener: Listener<Streamed>,
    on_malformed: OnMalformed,
    /// The takeover's CA as PEM.
    pub(super) ca_pem: String,
    /// What went through the proxy.
    pub(super) traffic: Arc<TrafficCounter>,
}

impl ProxyListener {
    /// Accepts connections until the server stops.
    pub(super) async fn serve(self, stopping: Shutdown) {
        self.listener.serve_reporting(Some(self.on_malformed), stopping).await;
    }
}

impl Services {
    /// Builds the proxy on the socket `tcp`, with certificates from `leaves`. It serves cloud hosts by the first of `doors` and
    /// the metadata address by the second; `own_listeners` are this server's, which it does not connect to.
    pub(super) fn proxy(
        &self,
        tcp: TcpListener,
        leaves: Arc<CertificateResolver>,
        doors: (RequestHandler, RequestHandler),
        own_listeners: Vec<SocketAddr>,
        stopping: Shutdown,
    ) -> Result<ProxyListener, StartError> {
        let ((data_plane, metadata), takeover) = (doors, &self.settings.takeover);
        let traffic = Arc::new(TrafficCounter::default());
        let ca_pem = leaves.ca().pem().to_owned();
        let proxy = Proxy::new(Settings {
            metadata: takeover.has_entra().then_some(metadata),
            offline: takeover.offline,
            parent_proxy: takeover.parent_proxy.clone(),
            load_roots: roots(takeover.ca_files.clone()),
            classify: classifier(takeover.clone()),
            suggest: vault::host::cloud_host_like,
            report_refusal: self.report_refusal(),
            answer: data_plane,
            leaves,
            tls: self.settings.tls,
            own_listeners,
            traffic: traffic.clone(),
            limits: self.settings.limits.clone(),
            bodies: self.settings.bodies.clone(),
            stopping,
        });
        let proxy = Arc::new(proxy.map_err(StartError::new)?);
        let counting = proxy.clone();
        let on_malformed: OnMalformed = Arc::new(move |why| counting.count_malformed(why));
        let answer: RequestHandler<Streamed> =
            Arc::new(move |request, connection| Box::pin(proxy.clone().answer(request, connection)));
        let listener = Listener { acknowledges_at_once: true, ..self.listener(tcp, None, answer) };
        Ok(ProxyListener { listener, on_malformed, ca_pem, traffic })
    }

    /// The settings of the proxy by whose rules runs of pipelines send; it serves no host itself, and `private` are listeners that
    /// it does not connect to. It has no metadata address.
    pub(super) fn proxy_settings_for_runs(
        &self,
        private: Vec<SocketAddr>,
        stopping: Shutdown,
    ) -> impl Fn() -> Settings + Send + Sync + 'static {
        let (takeover, tls, limits) = (self.settings.takeover.clone(), self.settings.tls, self.settings.limits.clone());
        let (leaves, bodies) = (self.leaves.clone(), self.settings.bodies.clone());
        move || Settings {
            metadata: None,
            offline: takeover.offline,
            parent_proxy: takeover.parent_proxy.clone(),
            load_roots: roots_and(takeover.ca_files.clone(), leaves.ca().pem().to_owned()),
            classify: classifier(takeover.clone()),
            suggest: vault::host::cloud_host_like,
            // A run says itself why it was refused.
            report_refusal: Arc::new(|_, _| ()),
            answer: Arc::new(|_, _| Box::pin(async { body::empty(StatusCode::NOT_FOUND) })),
            leaves: leaves.clone(),
            tls,
            own_listeners: private.clone(),
            traffic: Arc::default(),
            limits: limits.clone(),
            bodies: bodies.clone(),
            stopping: stopping.clone(),
        }
    }

    /// Adds the first refused connection to each host to the requests that `keyhaven log` shows.
    fn report_refusal(&self) -> ReportRefusal {
        let (recent, clock) = (self.recent.clone(), self.backend.system.clone());
        Arc::new(move |status, host| {
            let (error, asked) = (Some(ErrorCode("RefusedByProxy".into())), Some(AskedFor::new(host)));
            let trail = Trail { status, error, asked, ..Trail::new("proxy") };
            recent.add(clock.now(), trail, &Received::default());
        })
    }
}

/// Leaf certificates for taken-over hosts, under the takeover's `ca`.
pub(super) fn takeover_leaves(
    ca: Ca,
    settings: &settings::Settings,
    backend: &Backend,
) -> Result<Arc<CertificateResolver>, StartError> {
    let classify = classifier(settings.takeover.clone());
    let taken_over = Arc::new(move |name: &str| classify(name, HTTPS) == HostClass::TakenOver);
    let (kept, clock) = (settings.limits.minted_leaves, backend.system.clone());
    CertificateResolver::new(ca, taken_over, vec![], kept, clock).map(Arc::new).map_err(StartError::new)
}

/// Loads the system's CAs and those in `files`, at first use.
fn roots(files: Vec<String>) -> LoadRoots {
    Arc::new(move || trust::roots(&files))
}

/// The same, and the certificate in `pem`: this server's own CA.
fn roots_and(files: Vec<String>, pem: String) -> LoadRoots {
    Arc::new(move || {
        let mut roots = trust::roots(&files);
        let own = pem::parse(&pem).into_iter().map(|block| block.into_contents().into());
        roots.add_parsable_certificates(own);
        roots
    })
}

fn classifier(takeover: Takeover) -> ClassifyHost {
    Arc::new(move |host, port| takeover.classify(host, port))
}
