//! The resources of the cloud's services, as a table.

/// The cloud's resources, without `https://`. `*.` matches one label or more, `/*` any path; a last slash, or several,
/// does not count (`https://management.core.windows.net//.default` is what az asks for). Sources: the table of clouds of
/// azure-cli (`azure/cli/core/cloud.py`), that of `hashicorp/go-azure-sdk` (`sdk/environments`), and the scopes that the Azure
/// SDKs ask for (their `credential_scopes`, audiences and `KnownAudience` types).
const CLOUD: &[&str] = &[
    // Key Vault and Managed HSM. A vault's own URL is no resource.
    "vault.azure.net",
    "vault.azure.cn",
    "vault.usgovcloudapi.net",
    "vault.microsoftazure.de",
    "vault.sovcloud-api.fr",
    "managedhsm.azure.net",
    "managedhsm.azure.cn",
    "managedhsm.usgovcloudapi.net",
    "managedhsm.sovcloud-api.fr",
    // The management plane.
    "management.azure.com",
    "management.core.windows.net",
    "management.core.windows.net:8443",
    "management.chinacloudapi.cn",
    "management.core.chinacloudapi.cn",
    "management.core.chinacloudapi.cn:8443",
    "management.usgovcloudapi.net",
    "management.core.usgovcloudapi.net",
    "management.core.usgovcloudapi.net:8443",
    "management.microsoftazure.de",
    "management.core.cloudapi.de",
    "management.core.cloudapi.de:8443",
    "management.sovcloud-api.fr",
    "management.database.sovcloud-api.fr:8443",
    "gallery.azure.com",
    "gallery.chinacloudapi.cn",
    "gallery.usgovcloudapi.net",
    "gallery.cloudapi.de",
    "gallery.sovcloud-api.fr",
    // Microsoft Graph, and the graph before it.
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "graph.microsoft.de",
    "microsoftgraph.chinacloudapi.cn",
    "graph.windows.net",
    "graph.chinacloudapi.cn",
    "graph.cloudapi.de",
    "graph.microsoftazure.us",
    "graph.svc.sovcloud.fr",
    // Storage, disks and file sync.
    "storage.azure.com",
    "disk.azure.com",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "*.table.core.windows.net",
    "*.file.core.windows.net",
    "*.dfs.core.windows.net",
    "*.storage.azure.net",
    "*.blob.core.chinacloudapi.cn",
    "*.queue.core.chinacloudapi.cn",
    "*.table.core.chinacloudapi.cn",
    "*.file.core.chinacloudapi.cn",
    "*.dfs.core.chinacloudapi.cn",
    "*.blob.core.usgovcloudapi.net",
    "*.queue.core.usgovcloudapi.net",
    "*.table.core.usgovcloudapi.net",
    "*.file.core.usgovcloudapi.net",
    "*.dfs.core.usgovcloudapi.net",
    "*.afs.azure.net",
    "*.afs.azure.us",
    // SQL; PostgreSQL, MySQL and MariaDB.
    "database.windows.net",
    "database.chinacloudapi.cn",
    "database.usgovcloudapi.net",
    "database.cloudapi.de",
    "ossrdbms-aad.database.windows.net",
    "ossrdbms-aad.database.chinacloudapi.cn",
    "ossrdbms-aad.database.usgovcloudapi.net",
    "ossrdbms-aad.database.cloudapi.de",
    "ossrdbms-aad.database.sovcloud-api.fr",
    "token.postgres.cosmos.azure.com",
    // Cosmos DB and Redis.
    "cosmos.azure.com",
    "cosmos.azure.cn",
    "cosmos.azure.us",
    "*.documents.azure.com",
    "*.documents.azure.cn",
    "*.documents.azure.us",
    "redis.azure.com",
    "redis.azure.cn",
    "redis.azure.us",
    // Service Bus, Event Hubs, Relay, Event Grid.
    "servicebus.azure.net",
    "servicebus.chinacloudapi.cn",
    "servicebus.usgovcloudapi.net",
    "*.servicebus.windows.net",
    "*.servicebus.chinacloudapi.cn",
    "*.servicebus.usgovcloudapi.net",
    "eventhubs.azure.net",
    "relay.azure.net",
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    // App Configuration, and experiments on it.
    "azconfig.io",
    "*.azconfig.io",
    "*.azconfig.azure.cn",
    "*.azconfig.azure.us",
    "appconfig.azure.com",
    "appconfig.azure.net",
    "appconfig.azure.cn",
    "appconfig.azure.us",
    "exp.azure.net",
    // Monitor, Log Analytics, Application Insights, Managed Grafana.
    "monitor.azure.com",
    "monitor.azure.cn",
    "monitor.azure.us",
    "monitoring.azure.com",
    "metrics.monitor.azure.com",
    "metrics.monitor.azure.cn",
    "metrics.monitor.azure.us",
    "prometheus.monitor.azure.com",
    "api.loganalytics.io",
    "api.loganalytics.azure.com",
    "api.loganalytics.azure.cn",
    "api.loganalytics.us",
    "api.applicationinsights.io",
    "api.applicationinsights.azure.cn",
    "api.applicationinsights.us",
    "dc.applicationinsights.azure.com/v2/track",
    "dc.applicationinsights.azure.cn/v2/track",
    "dc.applicationinsights.us/v2/track",
    // Cognitive Services, OpenAI, Foundry, Machine Learning, Search, bots.
    "cognitiveservices.azure.com",
    "cognitiveservices.azure.cn",
    "cognitiveservices.azure.us",
    "*.cognitiveservices.azure.com",
    "*.openai.azure.com",
    "ai.azure.com",
    "ml.azure.com",
    "search.azure.com",
    "search.azure.cn",
    "search.azure.us",
    "api.botframework.com",
    // Batch, containers, dynamic sessions, signing in to machines.
    "batch.core.windows.net",
    "batch.chinacloudapi.cn",
    "batch.core.usgovcloudapi.net",
    "batch.cloudapi.de",
    "batch.sovcloud-api.fr",
    "containerregistry.azure.net",
    "containerregistry.azure.cn",
    "containerregistry.azure.us",
    "*.azurecr.io",
    "*.azurecr.cn",
    "*.azurecr.us",
    "dynamicsessions.io",
    "durabletask.io",
    "pas.windows.net/*",
    "pas.chinacloudapi.cn/*",
    "pasff.usgovcloudapi.net/*",
    // Data Lake, Data Factory, Synapse, Purview, Data Explorer, Databricks, Fabric, Power BI.
    "datalake.azure.net",
    "*.azuredatalakestore.net",
    "*.azuredatalakeanalytics.net",
    "datafactory.azure.com",
    "datafactory.azure.net",
    "dev.azuresynapse.net",
    "dev.azuresynapse.azure.cn",
    "dev.azuresynapse.usgovcloudapi.net",
    "*.dev.azuresynapse.net",
    "sql.azuresynapse.net",
    "purview.azure.net",
    "purview.azure.cn",
    "purview.azure.us",
    "*.kusto.windows.net",
    "*.kusto.chinacloudapi.cn",
    "*.kusto.usgovcloudapi.net",
    "*.kusto.fabric.microsoft.com",
    "databricks.azure.net",
    "api.fabric.microsoft.com",
    "analysis.windows.net/powerbi/api",
    "*.asazure.windows.net",
    // Things, twins, maps, fields.
    "iothubs.azure.net",
    "azure-devices-provisioning.net",
    "apps.azureiotcentral.com",
    "digitaltwins.azure.net",
    "api.timeseries.azure.com",
    "api.adu.microsoft.com",
    "atlas.microsoft.com",
    "sts.mixedreality.azure.com",
    "farmbeats.azure.net",
    "geocatalog.spatio.azure.com",
    "energy.azure.com",
    // Messages to people and pages.
    "communication.azure.com",
    "signalr.azure.com",
    "webpubsub.azure.com",
    // Trust, defence, health, media, development.
    "attest.azure.net",
    "attest.azure.us",
    "confidential-ledger.azure.com",
    "codesigning.azure.net",
    "easm.defender.microsoft.com",
    "api.securitycenter.microsoft.com",
    "api.security.microsoft.com",
    "azurehealthcareapis.com",
    "*.azurehealthcareapis.com",
    "dicom.healthcareapis.azure.com",
    "deid.azure.com",
    "rest.media.azure.net",
    "rest.media.chinacloudapi.cn",
    "rest.media.usgovcloudapi.net",
    "rest.media.cloudapi.de",
    "rest.media.sovcloud-api.fr",
    "devcenter.azure.com",
    "cnt-prod.loadtesting.azure.com",
    "quantum.microsoft.com",
    "appservice.azure.com",
    "app.vssps.visualstudio.com",
    "dev.azure.com",
    // Microsoft 365, Dynamics and the Power Platform.
    "manage.office.com",
    "outlook.office.com",
    "outlook.office365.com",
    "substrate.office.com",
    "ps.compliance.protection.outlook.com",
    "*.sharepoint.com",
    "*.dynamics.com",
    "service.powerapps.com",
    "service.flow.microsoft.com",
    "api.powerplatform.com",
    "api.bap.microsoft.com",
    // Applications of a tenant's own, under its initial domain (the documented restrictions on identifier URIs).
    "*.onmicrosoft.com/*",
    "*.partner.onmschina.cn/*",
];

/// Whether the cloud has the resource `https://` + `url`.
pub(super) fn is_cloud_resource(url: &str) -> bool {
    let (host, path) = divided(url.trim_end_matches('/'));
    let host = host.to_ascii_lowercase();
    CLOUD.iter().any(|known| {
        let (known_host, known_path) = divided(known);
        is_host(&host, known_host) && (known_path == "*" || known_path == path)
    })
}

fn divided(url: &str) -> (&str, &str) {
    url.split_once('/').unwrap_or((url, ""))
}

fn is_host(host: &str, known: &str) -> bool {
    match known.strip_prefix('*') {
        Some(domain) => host.strip_suffix(domain).is_some_and(is_label),
        None => host == known,
    }
}

/// One label or more, and nothing that divides a URL.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_each_resource_once_and_in_lower_case() {
        let mut all = CLOUD.to_vec();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(all.iter().all(|known| !known.contains("//") && divided(known).0 == divided(known).0.to_lowercase()));
    }
}
