import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { Service } from 'kubernetes-models/v1/Service'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { monitoringFiles } from '../../../build/prometheus.ts'
import { promMetrics } from '../../../serve/metrics/names.ts'
import { usualPort } from '../../../serve/process.ts'
import { monitorAlarms } from '../../../src/watch/plan/alarms.ts'

const root = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const hasSystemd = spawnSync('systemd-analyze', ['--version']).error === undefined
const shape = (name: string) => read(`examples/serve/${name}`)

test.each(Object.entries(monitoringFiles))('docs/data/%s is what `npm run docs` makes', (name, text) => {
  expect(read(`docs/data/${name}`)).toBe(text())
})

describe('the alert rules and the dashboard', () => {
  const { groups } = parse(read('docs/data/prometheus-rules.yaml'))
  const rules: { alert: string; expr: string; annotations: { runbook_url: string } }[] = groups[0].rules
  const panels: { targets: { expr: string }[] }[] = JSON.parse(
    read('docs/data/grafana-dashboard.json'),
  ).panels
  const expressions = [
    ...rules.map(({ expr }) => expr),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ]

  test('have a rule for each alarm about what the monitor finds', () => {
    const names = monitorAlarms.map(({ name }) => name.replaceAll('-', ''))
    const made = rules.map(({ alert }) => alert.toLowerCase())
    expect(names.filter((name) => !made.includes(`viewkeeper${name}`))).toEqual([])
  })

  test('ask only for metrics that there are, with labels that they have', () => {
    const asked = expressions.flatMap((expr) =>
      [...expr.matchAll(/viewkeeper_\w+/g)].map(([name]) => name.replace(/_bucket$/, '')),
    )
    expect(asked.filter((name) => !Object.hasOwn(promMetrics, name))).toEqual([])
    expect(asked.length).toBeGreaterThan(15)
    const labels = new Set<string>([
      'le',
      'environment',
      ...Object.values(promMetrics).flatMap(([, , names]) => [...names]),
    ])
    const used = expressions.flatMap((expr) =>
      [...expr.matchAll(/by \(([^)]*)\)|\{(\w+)=/g)].flatMap(([, by, label]) =>
        (by ?? label ?? '').split(', '),
      ),
    )
    expect(used.filter((label) => !labels.has(label))).toEqual([])
  })

  test('lead to sections of the runbook', () => {
    const headings = [...read('docs/runbook.md').matchAll(/^### (.*)$/gm)].map(([, heading]) => heading)
    expect(
      rules.filter(({ annotations }) => !headings.includes(annotations.runbook_url.split('#')[1])),
    ).toEqual([])
  })
})

describe('the shapes', () => {
  const [deployment, service, budget] = parseAllDocuments(shape('kubernetes.yaml')).map((each) => each.toJS())
  const [container] = deployment.spec.template.spec.containers
  const compose = parse(shape('compose.yaml')).services.viewkeeper
  const dockerfile = shape('Dockerfile')

  test('listen at the port that serve has', () => {
    expect(container.ports).toEqual([{ name: 'http', containerPort: usualPort }])
    expect(compose.ports).toEqual([`127.0.0.1:${usualPort}:${usualPort}`])
    expect(dockerfile).toContain(`\nEXPOSE ${usualPort}\n`)
    expect(deployment.spec.template.metadata.annotations['prometheus.io/port']).toBe(String(usualPort))
  })

  test('run as nobody special, with nothing to write to but /tmp', () => {
    expect(dockerfile).toMatch(/\nUSER 1000\n/)
    expect(deployment.spec.template.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
    })
    expect(container.securityContext).toEqual({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    })
    expect(compose).toMatchObject({ read_only: true, cap_drop: ['ALL'], tmpfs: ['/tmp'] })
  })

  test('ask only the process whether it lives, and the database whether it is ready', () => {
    expect([container.livenessProbe, container.startupProbe].map(({ httpGet }) => httpGet.path)).toEqual([
      '/healthz',
      '/healthz',
    ])
    expect(container.readinessProbe.httpGet.path).toBe('/readyz')
  })

  test('ask every request for a token, also behind a proxy on the same machine', () => {
    expect(dockerfile).toMatch(/\nCMD .*"--require-tokens"/)
    expect(shape('viewkeeper.service')).toMatch(/^ExecStart=.* serve .*--require-tokens/m)
    // These start what the Dockerfile says.
    expect([container, compose].flatMap(({ command = [], args = [] }) => [command, args].flat())).toEqual([])
  })

  test('start what the package has, without a shell, and read the address of the database from a file', () => {
    const { bin } = JSON.parse(read('package.json'))
    const path = `node_modules/viewkeeper/${bin.viewkeeper}`
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "${path}"]`)
    expect(shape('viewkeeper.service')).toContain(`node ${path} serve`)
    for (const file of ['compose.yaml', 'kubernetes.yaml', 'viewkeeper.service'])
      expect(shape(file)).toContain('DATABASE_URL_FILE')
  })

  test('are what the schemas of Kubernetes take', () => {
    const take = () => {
      new Deployment(deployment).validate()
      new Service(service).validate()
      new PodDisruptionBudget(budget).validate()
    }
    expect(take).not.toThrow()
    expect(() =>
      new Deployment({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } }).validate(),
    ).toThrow(/replicas must be integer/)
  })

  test('are a unit whose process has no rights to spare, and ends as a container does', () => {
    const lines = shape('viewkeeper.service').split('\n')
    const [unit, service, install] = ['[Unit]', '[Service]', '[Install]'].map((name) => lines.indexOf(name))
    expect([unit! > 0, unit! < service!, service! < install!]).toEqual([true, true, true])
    const others = lines.filter((line) => !/^(#.*|\[\w+\]|[A-Z]\w+=.*|)$/.test(line))
    expect(others).toEqual([])
    expect(lines).toEqual(
      expect.arrayContaining([
        'LoadCredential=database-url:/etc/viewkeeper/database-url',
        'Environment=DATABASE_URL_FILE=%d/database-url',
        'DynamicUser=true',
        'NoNewPrivileges=true',
        'ProtectSystem=strict',
        'CapabilityBoundingSet=',
      ]),
    )
    expect(compose.stop_grace_period).toBe(`${deployment.spec.template.spec.terminationGracePeriodSeconds}s`)
    expect(lines).toContain(`TimeoutStopSec=${deployment.spec.template.spec.terminationGracePeriodSeconds}`)
  })

  test.runIf(hasSystemd)('are a unit that systemd accepts', () => {
    const unit = fileURLToPath(new URL('examples/serve/viewkeeper.service', root))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
    expect({ status, stderr: stderr.replace(/.*\/usr\/bin\/node.*\n/g, '') }).toEqual({
      status: 0,
      stderr: '',
    })
  })

  test('log in as nobody who may do everything', () => {
    expect(Object.values(compose.secrets)).toEqual(['database_url'])
    const [login] = [...read('docs/serve.md').matchAll(/postgres:\/\/(\w+):/g)].map(([, name]) => name)
    expect(shape('login.sql')).toContain(`create role ${login} login createrole`)
    const mounted: string[] = parse(shape('compose.yaml')).services.database.volumes
    expect(mounted).toContain('./login.sql:/docker-entrypoint-initdb.d/login.sql:ro')
  })
})
