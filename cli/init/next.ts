import { binFile, cdkAppOf } from './cdk-app.ts'
import type { Facts } from './facts.ts'
import { usesGitHub } from './plan.ts'
import { commandsOf } from './texts.ts'

const construct = ({ migrations }: Facts['folders']): string => `import { Viewkeeper } from 'viewkeeper/cdk'

new Viewkeeper(this, 'Views', {
  environmentName: 'production',
  database, // your rds.DatabaseInstance or rds.DatabaseCluster
  databaseName: 'app',
  vpc,${migrations === 'migrations' ? '' : `\n  migrationsFolder: '${migrations}',`}
})`

/** What to do after `init`, as lines for people: what to type, and what it is for. Pure. */
export function nextSteps(facts: Facts, deployCommands?: string[]): string[] {
  const { install, add, installLocked, execute } = commandsOf[facts.packageManager]
  const viewkeeper = `${execute} viewkeeper`
  const check = usesGitHub(facts)
    ? []
    : ['', 'in your CI:', '', `  ${installLocked}`, `  ${viewkeeper} drift --offline`]
  return [
    'next:',
    '',
    `  ${install}`,
    `  ${viewkeeper} new sales   # the files of a first view`,
    ...(facts.serves
      ? []
      : [`  ${viewkeeper} adopt --all -m 'What is there'   # or the views that DATABASE_URL has`]),
    `  ${add} ${facts.embeddedPostgres}   # for dev, unless DATABASE_URL names a server`,
    `  ${viewkeeper} dev         # PostgreSQL, API and page on this machine`,
    ...check,
    '',
    ...deploySteps(facts, execute, deployCommands),
  ]
}

function deploySteps(facts: Facts, execute: string, commands?: string[]): string[] {
  if (commands !== undefined)
    return [
      'to deploy, fill in what is empty in `environments`, once the second command has made the role:',
      '',
      ...commands.map((each) => `  ${each.replace(/^npx/, execute)}`),
    ]
  const app = cdkAppOf(facts)
  if (app === 'serve')
    return [
      'on your database (node_modules/viewkeeper/docs/without-aws.md):',
      '',
      "  export DATABASE_URL='postgres://user:password@host:5432/database'",
      `  ${execute} viewkeeper adopt --all -m 'What is there'   # your views`,
      `  ${execute} viewkeeper notify --test                    # once somebody is told`,
      `  ${execute} viewkeeper serve                            # schedules, monitor, API and page`,
      ...(facts.shapes
        ? ['', `what to fill in, and how it is started: node_modules/viewkeeper/docs/serve-shapes.md`]
        : []),
    ]
  if (app === 'javascript')
    return ['to deploy, write this into a stack of your CDK app:', '', ...indented(construct(facts.folders))]
  const deploy = app === 'other' ? `cdk --app 'node ${binFile}' deploy` : 'cdk deploy'
  return [
    `to deploy, write the environment into ${facts.config ?? 'viewkeeper.config.ts'}, then:`,
    '',
    `  ${execute} cdk bootstrap --app ''   # once for each account and region`,
    `  ${execute} ${deploy} -c env=production --all`,
  ]
}

const indented = (text: string): string[] => text.split('\n').map((line) => line && `  ${line}`)
