import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { routeKey, routes } from '../../src/edge/http/routes.ts'
import { problemCodes } from '../../src/problem.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs')).map((file) => `docs/${file}`),
].filter((file) => file.endsWith('.md'))

const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
const anchors = (file: string) =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading as string))

describe('the docs', () => {
  test.each(pages)('%s links only to what is there', (page) => {
    const broken = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)]
      .map(([link, file = '', anchor]) => ({
        link,
        target: file === '' ? page : join(dirname(page), file),
        anchor,
      }))
      .filter(
        ({ target, anchor }) =>
          !existsSync(join(root, target)) || (anchor && !anchors(target).includes(anchor)),
      )
    expect(broken).toEqual([])
  })

  test.each(problemCodes)('the runbook has a heading for %s, and the API page lists it', (code) => {
    expect(read('docs/runbook.md')).toMatch(new RegExp(`^###.*\\b${code}\\b`, 'm'))
    expect(read('docs/http.md')).toContain(`\`${code}\``)
  })

  test.each(Object.values(routes).map(routeKey))('the API page has %s', (route) => {
    expect(read('docs/http.md')).toContain(route)
  })

  test.each([
    ['docs/behaviours.md', 50],
    ['docs/extending.md', 20],
  ])('%s names only tests that exist', (page, atLeast) => {
    const cited = [...read(page).matchAll(/([\w/-]+\.test\.ts) › (`[^`]+`(?:, `[^`]+`)*)/g)]
    const missing = cited.flatMap(([, file, names]) => {
      const path = join('test', file as string)
      const text = existsSync(join(root, path)) ? read(path) : ''
      return [...(names as string).matchAll(/`([^`]+)`/g)]
        .map(([, name]) => name as string)
        .filter((name) => !text.includes(name))
        .map((name) => `${path} › ${name}`)
    })
    expect(cited.length).toBeGreaterThan(atLeast)
    expect(missing).toEqual([])
  })
})
