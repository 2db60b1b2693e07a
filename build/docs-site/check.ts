import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

// npm run docs:site: every link of the built pages leads to a file of theirs, and to a place in it.

const site = fileURLToPath(new URL('../../.viewkeeper/docs-site', import.meta.url))
const base = process.env.DOCS_BASE ?? '/'
const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.html'),
)
const htmlOf = new Map(pages.map((page) => [join(site, page), readFileSync(join(site, page), 'utf8')]))
const idsOf = new Map(
  [...htmlOf].map(([page, html]) => [
    page,
    new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
  ]),
)

/** What is wrong with an address on a page; undefined if nothing is. */
function wrong(page: string, address: string): string | undefined {
  const [path = '', anchor = ''] = address.split('#').map(decodeURIComponent)
  if (path.startsWith('/') && !path.startsWith(base)) return `it does not begin with ${base}`
  const target = path.startsWith('/') ? join(site, path.slice(base.length)) : resolve(dirname(page), path)
  const file = path === '' ? page : path.endsWith('/') ? join(target, 'index.html') : target
  if (!existsSync(file)) return 'there is no such file'
  if (anchor !== '' && idsOf.get(file)?.has(anchor) === false) return 'the page has no such heading'
  return undefined
}

const broken = [...htmlOf].flatMap(([page, html]) =>
  [...html.matchAll(/ (?:href|src)="([^"]+)"/g)]
    .map(([, address]) => address as string)
    .filter((address) => !/^[a-z]+:/.test(address))
    .flatMap((address) => {
      const problem = wrong(page, address)
      return problem === undefined ? [] : [`${page.slice(site.length + 1)}: ${address}: ${problem}`]
    }),
)
if (broken.length > 0) {
  console.error(`The docs site has links that lead nowhere:\n  ${broken.join('\n  ')}`)
  process.exitCode = 1
} else console.log(`${pages.length} pages in .viewkeeper/docs-site, and every link leads somewhere`)
