import type Docker from 'dockerode';

/** Everything that the engine tells about a project's containers and what they are made of, as one text a place. */
export async function* placesOnEngine(
  docker: Docker,
  project: string,
): AsyncGenerator<readonly [place: string, text: string]> {
  const filters = { label: [`looms.project=${project}`] };
  const images = new Set<string>();
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    const container = docker.getContainer(Id);
    const found = await container.inspect();
    images.add(found.Image);
    yield [`inspect of container ${found.Name}`, JSON.stringify(found)];
    for (const exec of found.ExecIDs ?? []) {
      // One that has ended is forgotten by the engine.
      const inspected = await docker
        .getExec(exec)
        .inspect()
        .catch(() => undefined);
      if (inspected !== undefined) yield [`inspect of exec ${exec}`, JSON.stringify(inspected)];
    }
    const logs = await container.logs({ stdout: true, stderr: true, follow: false });
    yield [`log of container ${found.Name}`, logs.toString('utf8')];
  }
  for (const id of images) {
    const image = docker.getImage(id);
    yield [`inspect of image ${id}`, JSON.stringify(await image.inspect())];
    yield [`history of image ${id}`, JSON.stringify(await image.history())];
  }
  yield ['networks', JSON.stringify(await docker.listNetworks({ filters }))];
  yield ['volumes', JSON.stringify(await docker.listVolumes({ filters }))];
}

/** How a value may stand in a text: as it is, its longer lines, JSON-escaped, percent-encoded, in base64 or in hexadecimal. */
export function formsOf(value: string): readonly string[] {
  const encoded = [
    JSON.stringify(value).slice(1, -1),
    JSON.stringify(JSON.stringify(value)).slice(3, -3),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
    Buffer.from(value).toString('hex'),
  ];
  const lines = value.split(/\r?\n/).filter((line) => line.trim().length >= 8);
  // Of a value of one character, these are as good as any text.
  const isShort = value.length < 4;
  return isShort ? [value] : [...new Set([value, ...lines, value.trim(), ...encoded])];
}

/** Names of the places on the engine in which `value` stands in one of its forms; none is what is wanted. */
export async function placesThatTell(docker: Docker, project: string, value: string): Promise<string[]> {
  const forms = formsOf(value);
  const telling: string[] = [];
  let looked = 0;
  for await (const [place, text] of placesOnEngine(docker, project)) {
    looked += 1;
    if (forms.some((form) => text.includes(form))) telling.push(place);
  }
  if (looked <= 2) throw new Error(`project ${project} has no containers to look into`);
  return telling;
}
