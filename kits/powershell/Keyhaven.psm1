# The commands of "Encrypt credentials for on-premises data stores in Azure Data Factory", with the names and the parameters of Az.DataFactory,
# against a running Keyhaven:
#
#     Import-Module kits/powershell/Keyhaven.psm1
#     New-AzDataFactoryV2LinkedServiceEncryptedCredential -DataFactoryName F -ResourceGroupName G -IntegrationRuntimeName R -DefinitionFile FILE > OUT
#     Set-AzDataFactoryV2LinkedService -DataFactoryName F -ResourceGroupName G -Name N -DefinitionFile OUT
#
# Not run: no PowerShell was at hand where this was written. tests/it/cli/powershell.rs holds the parameters against those of Az.DataFactory, and
# what is called against the command line of `keyhaven`, which must be on the PATH. It finds the server as all its commands do, and the caller is
# the server's default identity. Take this module or Az.DataFactory into a session, not both: the commands have the same names.
#Requires -Version 7.3

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

# What `keyhaven` prints, as one text. What went wrong is on the error stream already.
function Invoke-Keyhaven([string[]] $Arguments) {
    $printed = & keyhaven @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "keyhaven $($Arguments[0]) ended with status $LASTEXITCODE."
    }
    @($printed) -join "`n"
}

# Asks where an answer can be given; a script that has no one to ask goes on (ours: Az fails there without -Force).
function Confirm-Question($Cmdlet, [string] $Question) {
    -not [Environment]::UserInteractive -or [Console]::IsInputRedirected -or $Cmdlet.ShouldContinue($Question, '')
}

# The id of the subscription: of an Az context, else of the server's default identity.
function Get-SubscriptionId($Context) {
    if ($Context) {
        return $Context.Subscription.Id
    }
    $known = Invoke-Keyhaven @('identity', 'list', '--json') | ConvertFrom-Json
    $caller = $known.identities | Where-Object name -EQ $known.default
    $caller.resourceId.Split('/')[2]
}

# Sends a request to the management plane of the server, whose CA alone is trusted. Answers the status and the text.
function Invoke-Management([string] $Method, [string] $Path, [string] $Body) {
    $file = (Invoke-Keyhaven @('env', '--format', 'json') | ConvertFrom-Json).KEYHAVEN_READY_FILE
    $ready = Get-Content -Raw -LiteralPath $file | ConvertFrom-Json
    $caller = (Invoke-Keyhaven @('identity', 'list', '--json') | ConvertFrom-Json).default
    $token = Invoke-Keyhaven @('identity', 'token', $caller, '--resource', 'https://management.azure.com')

    $trust = [System.Security.Cryptography.X509Certificates.X509ChainPolicy]::new()
    $trust.TrustMode = 'CustomRootTrust'
    $trust.RevocationMode = 'NoCheck'
    $trust.CustomTrustStore.ImportFromPemFile($ready.ca)
    $handler = [System.Net.Http.SocketsHttpHandler]::new()
    $handler.UseProxy = $false
    $handler.SslOptions.CertificateChainPolicy = $trust
    $client = [System.Net.Http.HttpClient]::new($handler)
    try {
        $url = "https://$($ready.listen)$($Path)?api-version=2018-06-01"
        $request = [System.Net.Http.HttpRequestMessage]::new([System.Net.Http.HttpMethod]::new($Method), $url)
        $request.Headers.Host = "arm.localhost:$($ready.listen.Split(':')[-1])"
        $request.Headers.Authorization = [System.Net.Http.Headers.AuthenticationHeaderValue]::new('Bearer', $token)
        if ($Body) {
            $request.Content = [System.Net.Http.StringContent]::new($Body, [System.Text.Encoding]::UTF8, 'application/json')
        }
        $answer = $client.Send($request)
        @{ Status = [int] $answer.StatusCode; Text = $answer.Content.ReadAsStringAsync().GetAwaiter().GetResult() }
    }
    finally {
        $client.Dispose()
    }
}

function New-AzDataFactoryV2LinkedServiceEncryptedCredential {
    <#
    .SYNOPSIS
    Encrypts the credentials of a linked service's definition on a node of its integration runtime, and prints the definition with a reference.
    #>
    [CmdletBinding(DefaultParameterSetName = 'ByFactoryName', SupportsShouldProcess)]
    [OutputType([string])]
    param(
        [Parameter(ParameterSetName = 'ByFactoryName', Position = 0, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $ResourceGroupName,

        [Parameter(ParameterSetName = 'ByFactoryName', Position = 1, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $DataFactoryName,

        # What Get-AzDataFactoryV2 answers.
        [Parameter(ParameterSetName = 'ByFactoryObject', Position = 0, Mandatory, ValueFromPipeline)]
        [ValidateNotNull()]
        [psobject] $DataFactory,

        [Parameter(ParameterSetName = 'ByFactoryName', Position = 2, Mandatory, ValueFromPipelineByPropertyName)]
        [Parameter(ParameterSetName = 'ByFactoryObject', Position = 1, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $IntegrationRuntimeName,

        [Parameter(ParameterSetName = 'ByFactoryName', Position = 3, Mandatory)]
        [Parameter(ParameterSetName = 'ByFactoryObject', Position = 2, Mandatory)]
        [ValidateNotNullOrEmpty()]
        [Alias('File')]
        [string] $DefinitionFile,

        [Parameter()]
        [switch] $Force,

        # An Az context: its subscription is taken.
        [Parameter()]
        [Alias('AzContext', 'AzureRmContext', 'AzureCredential')]
        [psobject] $DefaultProfile
    )
    process {
        $group, $factory = $ResourceGroupName, $DataFactoryName
        if ($DataFactory) {
            $group, $factory = $DataFactory.ResourceGroupName, $DataFactory.DataFactoryName
        }
        $path = Convert-Path -LiteralPath $DefinitionFile
        if (-not $PSCmdlet.ShouldProcess($DefinitionFile, 'Encrypt credential')) {
            return
        }
        if (-not $Force -and -not (Confirm-Question $PSCmdlet 'Are you sure you want to encrypt credential?')) {
            return
        }
        $arguments = @(
            'encrypt-linked-service'
            '--data-factory-name', $factory
            '--resource-group-name', $group
            '--integration-runtime-name', $IntegrationRuntimeName
            '--definition-file', $path
        )
        if ($DefaultProfile) {
            $arguments += @('--subscription', (Get-SubscriptionId $DefaultProfile))
        }
        Invoke-Keyhaven $arguments
    }
}

function Set-AzDataFactoryV2LinkedService {
    <#
    .SYNOPSIS
    Makes a linked service of a data factory, or replaces it, by the definition in a file.
    #>
    [CmdletBinding(DefaultParameterSetName = 'ByFactoryName', SupportsShouldProcess)]
    [Alias('New-AzDataFactoryV2LinkedService')]
    param(
        [Parameter(ParameterSetName = 'ByFactoryName', Position = 0, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $ResourceGroupName,

        [Parameter(ParameterSetName = 'ByFactoryName', Position = 1, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $DataFactoryName,

        [Parameter(ParameterSetName = 'ByFactoryName', Position = 2, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [Alias('LinkedServiceName')]
        [string] $Name,

        [Parameter(ParameterSetName = 'ByResourceId', Position = 0, Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [string] $ResourceId,

        [Parameter(Position = 3, Mandatory)]
        [ValidateNotNullOrEmpty()]
        [Alias('File')]
        [string] $DefinitionFile,

        [Parameter()]
        [switch] $Force,

        # An Az context: its subscription is taken.
        [Parameter()]
        [Alias('AzContext', 'AzureRmContext', 'AzureCredential')]
        [psobject] $DefaultProfile
    )
    process {
        $definition = Get-Content -Raw -LiteralPath $DefinitionFile
        $id = $ResourceId
        if ($PSCmdlet.ParameterSetName -eq 'ByFactoryName') {
            $id = "/subscriptions/$(Get-SubscriptionId $DefaultProfile)/resourceGroups/$ResourceGroupName"
            $id += "/providers/Microsoft.DataFactory/factories/$DataFactoryName/linkedservices/$Name"
        }
        $parts = $id.Split('/')
        $group, $factory, $service = $parts[4], $parts[8], $parts[10]
        if (-not $PSCmdlet.ShouldProcess($service, "Create linked service in the data factory $factory")) {
            return
        }
        if (-not $Force -and (Invoke-Management 'GET' $id '').Status -eq 200) {
            $question = "A linked service with the name $service in the data factory $factory exists. Are you sure you want to replace it?"
            if (-not (Confirm-Question $PSCmdlet $question)) {
                return
            }
        }
        $answer = Invoke-Management 'PUT' $id $definition
        if ($answer.Status -ne 200) {
            throw "The linked service $service was not made: $($answer.Text) ($($answer.Status))"
        }
        $made = $answer.Text | ConvertFrom-Json
        [pscustomobject] @{
            Id                = $made.id
            ETag              = $made.etag
            Name              = $made.name
            LinkedServiceName = $made.name
            ResourceGroupName = $group
            DataFactoryName   = $factory
            Properties        = $made.properties
        }
    }
}

Export-ModuleMember -Function New-AzDataFactoryV2LinkedServiceEncryptedCredential, Set-AzDataFactoryV2LinkedService -Alias New-AzDataFactoryV2LinkedService
