/** What the file of the CDK app says of one environment: TypeScript, and what is to be told beside it, as comments. */
export interface AppOptions {
  account: string
  region: string
  vpcId: string
  /** How CDK finds the server: an instance or a cluster, and its identifier. */
  database: { isCluster: boolean; identifier: string }
  /** The lines of the construct from `databaseName` on. */
  lines: string[]
  /** The folder of migrations, unless it is `migrations`. */
  migrationsFolder?: string | undefined
}

/** The lines about the secret of Viewkeeper's role. */
export const loginLines = [
  '// The login of a role of its own: npx viewkeeper create-role --create-secret viewkeeper/production makes both.',
  "loginSecret: Secret.fromSecretNameV2(stack, 'Login', 'viewkeeper/production'),",
]

/** What is told of an environment that nobody has described yet. */
export const exampleApp: AppOptions = {
  account: '123456789012',
  region: 'eu-central-1',
  vpcId: 'vpc-0123456789abcdef0',
  database: { isCluster: false, identifier: 'shop-db' },
  lines: ["databaseName: 'shop',", ...loginLines, "alarmEmails: ['data-team@example.com'],"],
}

/** The construct, in a stack. */
export function constructLines({ vpcId, database, lines, migrationsFolder }: AppOptions): string[] {
  const { isCluster, identifier } = database
  const found = isCluster
    ? `DatabaseCluster.fromLookup(stack, 'Database', { clusterIdentifier: '${identifier}' })`
    : `DatabaseInstance.fromLookup(stack, 'Database', { instanceIdentifier: '${identifier}' })`
  return [
    "new Viewkeeper(stack, 'Viewkeeper', {",
    ...[
      "environmentName: 'production',",
      `vpc: Vpc.fromLookup(stack, 'Vpc', { vpcId: '${vpcId}' }),`,
      `database: ${found},`,
      ...lines,
      ...(migrationsFolder === undefined ? [] : [`migrationsFolder: '${migrationsFolder}',`]),
    ].map((line) => `  ${line}`),
    '})',
  ]
}

/** The whole CDK app: a stack for each environment, of which `-c env=<name>` names the one that is meant. */
export function appModule(options: AppOptions): string {
  const { account, region, database, lines } = options
  const usesSecret = lines.some((line) => line.includes('Secret.'))
  return `import { App, Stack } from 'aws-cdk-lib'
import { Vpc } from 'aws-cdk-lib/aws-ec2'
import { ${database.isCluster ? 'DatabaseCluster' : 'DatabaseInstance'} } from 'aws-cdk-lib/aws-rds'
${usesSecret ? "import { Secret } from 'aws-cdk-lib/aws-secretsmanager'\n" : ''}import { Viewkeeper } from 'viewkeeper/cdk'

const app = new App()
const environments: Record<string, () => void> = {
  production() {
    const env = { account: '${account}', region: '${region}' }
    const stack = new Stack(app, 'viewkeeper-production', { env })
${constructLines(options)
  .map((line) => `    ${line}\n`)
  .join('')}  },
}

const name = app.node.tryGetContext('env')
if (!Object.hasOwn(environments, String(name)))
  throw new Error(\`write -c env=<name> with one of: \${Object.keys(environments).join(', ')}\`)
environments[name]?.()
`
}
