import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const text = (file: string) => readFileSync(`${root}/${file}`, 'utf8')

/** The anchors that GitHub gives to headings: the docs link to them. */
const slugify = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

/** A page of the only column of navigation, with its sections once it is open. */
const item = (file: string) => {
  const link = `/${file.replace(/\.md$/, '')}`
  const sections = [...text(file).matchAll(/^## (.+)$/gm)].map(([, heading = '']) => ({
    text: heading.replaceAll('`', ''),
    link: `${link}#${slugify(heading)}`,
  }))
  return { text: /^# (.+)$/m.exec(text(file))?.[1] ?? file, link, collapsed: true, items: sections }
}

/** The pages by subject, as the README lists them. */
const [, readOn = ''] = text('README.md').split('## Read on')
const subjects = readOn
  .split(/^- \*\*/m)
  .slice(1)
  .map((subject) => ({
    name: subject.split('**')[0] as string,
    files: [...subject.matchAll(/\]\(([\w/-]+\.md)\)/g)].map(([, file]) => file as string),
  }))

/** The pages that CONTRIBUTING.md links, and the README does not: neither the navigation nor the search of users has them. */
const listed = subjects.flatMap(({ files }) => files)
const ofContributors = [...text('CONTRIBUTING.md').matchAll(/\]\((docs\/[\w-]+\.md)/g)]
  .map(([, file]) => file as string)
  .filter((file) => !listed.includes(file))

const lost = readdirSync(`${root}/docs`)
  .map((file) => `docs/${file}`)
  .filter((file) => file.endsWith('.md') && ![...listed, ...ofContributors].includes(file))
if (lost.length > 0) throw new Error(`Neither README.md nor CONTRIBUTING.md links ${lost.join(', ')}.`)

// npm run docs:site: the docs as pages with search, of the same files as in the repository.
export default defineConfig({
  title: 'Viewkeeper',
  description: 'Keeps PostgreSQL materialized views fresh',
  srcDir: root,
  srcExclude: ['{build,views,migrations,test,local,bench,page,src,infra,cli}/**', '**/node_modules/**'],
  // Where a workflow publishes it: GitHub serves it below the name of the repository.
  base: process.env.DOCS_BASE ?? '/',
  outDir: `${root}/.viewkeeper/docs-site`,
  cacheDir: `${root}/node_modules/.cache/vitepress`,
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: false,
  lastUpdated: false,
  vite: { build: { target: 'es2022' } },
  markdown: { anchor: { slugify } },
  // Files that pages link, besides pages and pictures: schemas and examples.
  buildEnd: ({ outDir }) =>
    cpSync(`${root}/docs`, `${outDir}/docs`, {
      recursive: true,
      filter: (file) => !/\.(md|svg|png)$/.test(file),
    }),
  themeConfig: {
    search: {
      provider: 'local',
      options: {
        _render: (source, env, page) =>
          ofContributors.includes(env.relativePath) ? '' : page.render(source, env),
      },
    },
    aside: false,
    outline: [2, 3],
    sidebar: [
      { text: 'Viewkeeper', items: [{ text: 'What it is', link: '/' }] },
      ...subjects.map(({ name, files }) => ({ text: name, items: files.map(item) })),
    ],
  },
})
