import { Stack, Validations } from 'aws-cdk-lib'
import { AuthorizationType, EndpointType, LambdaIntegration, RestApi } from 'aws-cdk-lib/aws-apigateway'
import type { IMetric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type { IInterfaceVpcEndpoint, ISecurityGroup } from 'aws-cdk-lib/aws-ec2'
import {
  AccountRootPrincipal,
  AnyPrincipal,
  Effect,
  PolicyDocument,
  PolicyStatement,
} from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { routes } from '../../src/edge/http/routes.ts'
import type { Database } from '../database/database.ts'
import type { ApiProps, ServedApi } from './api.ts'
import { ApiEndpoint } from './api-endpoint.ts'

export interface PrivateApiProps
  extends Pick<ApiProps, 'environmentName' | 'functions' | 'requestsPerSecond'> {
  database: Database
  /** The endpoint of API Gateway that callers use, `vpce-…`. Default: the stack makes one in the database's network. */
  endpointId: string | undefined
}

/**
 * The API for callers in a VPC: the same routes and functions, reached only through one endpoint, and signed with
 * IAM. It is a REST API, because AWS has no private HTTP APIs.
 */
export class PrivateApi extends Construct implements ServedApi {
  /** The name resolves to the endpoint, also outside the VPC, so callers need no private DNS. */
  readonly url: string
  readonly apiId: string
  /** Part of the address. */
  readonly stageName = 'v1'
  /** Who comes in to the endpoint that the stack has made. */
  readonly securityGroup?: ISecurityGroup
  private readonly api: RestApi

  constructor(scope: Construct, id: string, props: PrivateApiProps) {
    super(scope, id)
    const { requestsPerSecond, database, endpointId } = props
    const { endpoint, securityGroup } = new ApiEndpoint(this, 'Endpoint', { database, endpointId })
    this.securityGroup = securityGroup
    this.api = new RestApi(this, 'RestApi', {
      restApiName: `viewkeeper-${props.environmentName}`,
      description: 'Refreshes views and shows their runs',
      endpointConfiguration: { types: [EndpointType.PRIVATE], vpcEndpoints: [endpoint] },
      policy: onlyThrough(endpoint),
      defaultMethodOptions: { authorizationType: AuthorizationType.IAM },
      deployOptions: {
        stageName: this.stageName,
        throttlingRateLimit: requestsPerSecond,
        throttlingBurstLimit: requestsPerSecond,
      },
      cloudWatchRole: false,
    })
    for (const route of Object.values(routes)) {
      // One permission for each function, as the other API has: no caller comes in unsigned, whatever the route is.
      const integration = new LambdaIntegration(props.functions[route.function].lambda, {
        scopePermissionToMethod: false,
      })
      this.api.root.resourceForPath(route.path).addMethod(route.method, integration)
    }
    acknowledgeFindings(this.api)
    // CDK's own output has the address that works only with private DNS.
    this.api.node.tryRemoveChild('Endpoint')
    const { region, urlSuffix } = Stack.of(this)
    const host = `${this.api.restApiId}-${endpoint.vpcEndpointId}.execute-api.${region}.${urlSuffix}`
    this.url = `https://${host}/${this.stageName}/`
    this.apiId = this.api.restApiId
  }

  metricServerError(options: MetricOptions): IMetric {
    return this.api.metricServerError(options)
  }
}

/**
 * Callers of this account whose own policies allow the route, through the endpoint. The whole account is the principal:
 * any other would be allowed without a policy of its own.
 */
function onlyThrough({ vpcEndpointId }: IInterfaceVpcEndpoint): PolicyDocument {
  const invoke = { actions: ['execute-api:Invoke'], resources: ['execute-api:/*'] }
  const endpoint = { 'aws:SourceVpce': vpcEndpointId }
  return new PolicyDocument({
    statements: [
      new PolicyStatement({
        ...invoke,
        principals: [new AccountRootPrincipal()],
        conditions: { StringEquals: endpoint },
      }),
      new PolicyStatement({
        ...invoke,
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        conditions: { StringNotEquals: endpoint },
      }),
    ],
  })
}

function acknowledgeFindings(api: RestApi): void {
  const acknowledge = (rule: string, reason: string) =>
    Validations.of(api).acknowledge({ id: `AwsSolutions-${rule}`, reason })
  const logs =
    'REST APIs write logs with a role of the whole account, which a stack of one environment must not replace or remove.'
  acknowledge('APIG1', logs)
  acknowledge('APIG6', logs)
  acknowledge('APIG2', 'The functions validate every request, and say which field is wrong.')
  acknowledge('COG4', 'Callers sign with IAM.')
  acknowledge('APIG3', 'Only callers in the VPC reach the API, and each request is signed.')
}
