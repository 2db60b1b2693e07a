import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'

/** What the steps of a Dockerfile have made. */
export interface Image {
  /** The folder that stands for the root of its file system, and the folder in it where its process begins. */
  root: string
  workdir: string
  env: Record<string, string>
  uid: number
  command: string[]
}

/**
 * Does in folders what `docker build` does with the Dockerfile of a context: of the files of the context, only those that its
 * `.dockerignore` lets in. Base images are left out: their Node is the one of `env`.
 */
export function build(context: string, folder: string, env: NodeJS.ProcessEnv): Image {
  const read = (file: string) => readFileSync(join(context, file), 'utf8')
  const letIn = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, name]) => name!)
  /** As Docker, which leaves out a pattern that nothing matches. */
  const found = (path: string) =>
    path.includes('*') ? readdirSync(context).filter((each) => matchesGlob(each, path)) : [path]
  const stages = new Map<string, Image>()
  let image: Image | undefined
  const steps: Record<string, (rest: string) => void> = {
    FROM(rest) {
      const [, name = 'last'] = rest.split(' AS ')
      image = { root: join(folder, name), workdir: '/', env: {}, uid: 0, command: [] }
      mkdirSync(image.root)
      chmodSync(image.root, 0o755)
      stages.set(name, image)
    },
    WORKDIR(rest) {
      image!.workdir = rest
      mkdirSync(join(image!.root, rest))
    },
    ENV(rest) {
      const [name, value] = rest.split('=') as [string, string]
      image!.env[name] = value
    },
    COPY(rest) {
      const [first, ...others] = rest.split(' ') as [string, ...string[]]
      const stage = stages.get(/^--from=(.+)$/.exec(first)?.[1] ?? '')
      const paths = stage ? others : [first, ...others].flatMap(found)
      const into = join(image!.root, image!.workdir, paths.at(-1)!)
      for (const path of paths.slice(0, -1)) {
        if (!stage && !letIn.some((each) => matchesGlob(path, each)))
          throw new Error(`.dockerignore does not let ${path} in`)
        const to = paths.at(-1)!.endsWith('/') ? join(into, path) : into
        cpSync(join(stage?.root ?? context, path), to, { recursive: true, verbatimSymlinks: true })
      }
    },
    RUN(rest) {
      const cwd = join(image!.root, image!.workdir)
      execFileSync('sh', ['-c', rest], { cwd, env: { ...env, ...image!.env }, stdio: 'ignore' })
    },
    USER: (rest) => Object.assign(image!, { uid: Number(rest) }),
    EXPOSE() {},
    ENTRYPOINT: (rest) => Object.assign(image!, { command: JSON.parse(rest) }),
    CMD: (rest) => image!.command.push(...JSON.parse(rest)),
  }
  for (const [, step, rest] of read('Dockerfile').matchAll(/^([A-Z]+) (.+)$/gm)) steps[step!]!(rest!)
  return image!
}
