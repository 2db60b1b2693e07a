import { RemovalPolicy, Stack } from 'aws-cdk-lib'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import {
  type DomainMappingOptions,
  HttpApi,
  HttpMethod,
  HttpStage,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type { IMetric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { HttpFunctionName } from '../../src/api/functions.ts'
import { routes } from '../../src/api/routes.ts'

export interface ApiProps {
  physicalName: string
  /** The functions that answer routes. */
  functions: Record<HttpFunctionName, { lambda: IFunction }>
  /** The steady rate of all callers together, and the most at one moment. */
  requestsPerSecond: number
  logRetention: RetentionDays
  /** A domain of the app that leads to the API. */
  domain: DomainMappingOptions | undefined
}

/** The HTTP API, with the routes of the table. Every request has to be signed with IAM. */
export class Api extends Construct {
  /** Ends in a slash. */
  readonly url: string
  /** Of the stage, in which the routes are. */
  readonly stageArn: string
  /** The log group of all requests. */
  readonly logGroupName: string
  readonly stageName = '$default'
  private readonly api: HttpApi

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    this.api = new HttpApi(this, 'HttpApi', {
      apiName: `viewkeeper-${props.physicalName}`,
      description: 'Refreshes views and shows their runs',
      defaultAuthorizer: new HttpIamAuthorizer(),
      createDefaultStage: false,
      ...(props.domain && { disableExecuteApiEndpoint: true }),
    })
    const integrations = new Map(
      Object.entries(props.functions).map(([name, { lambda }]) => [
        name,
        // The API lets in nobody but signed callers, whatever the route is: one permission is enough.
        new HttpLambdaIntegration(name, lambda, { scopePermissionToRoute: false }),
      ]),
    )
    for (const route of Object.values(routes))
      this.api.addRoutes({
        path: route.path,
        methods: [HttpMethod[route.method]],
        integration: integrations.get(route.function) as HttpLambdaIntegration,
      })
    // With this prefix AWS needs no policy statement for each log group; the size of that policy is limited.
    this.logGroupName = `/aws/vendedlogs/viewkeeper/${props.physicalName}/api`
    const logGroup = new LogGroup(this, 'AccessLog', {
      logGroupName: this.logGroupName,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const stage = new HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: this.stageName,
      autoDeploy: true,
      throttle: { rateLimit: props.requestsPerSecond, burstLimit: props.requestsPerSecond },
      domainMapping: props.domain,
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: accessLogFormat },
    })
    this.url = props.domain ? `${stage.domainUrl.replace(/\/$/, '')}/` : stage.url
    this.stageArn = Stack.of(this).formatArn({
      service: 'execute-api',
      resource: this.api.apiId,
      resourceName: this.stageName,
    })
  }

  /** How many requests were answered with 5xx. */
  metricServerError(options: MetricOptions): IMetric {
    return this.api.metricServerError(options)
  }
}

const accessLogFormat = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    time: '$context.requestTime',
    caller: '$context.identity.userArn',
    sourceIp: '$context.identity.sourceIp',
    route: '$context.routeKey',
    path: '$context.path',
    status: '$context.status',
    milliseconds: '$context.responseLatency',
    error: '$context.error.message',
    integrationError: '$context.integrationErrorMessage',
  }),
)
