async ({ columns }) => {
    const GAP = 45; // nodes drawn by Vue are a little taller,
    const BADGE = 25; // those of the pack by its badge as well
    const PATIENCE_MS = 3000;
    const COLORS = {
        note: ["#432", "#653"],
        pack: ["#232", "#353"],
    };

    /** What `find` gives, as soon as it gives something: inputs of dynamic kinds appear late. */
    async function appeared(find, what) {
        for (const start = Date.now(); Date.now() < start + PATIENCE_MS; ) {
            const found = find();
            if (found !== undefined && found !== -1) return found;
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        throw new Error(`there is no ${what}`);
    }

    async function set(node, name, value) {
        const widget = await appeared(() => node.widgets?.find((w) => w.name === name), `${node.type}.${name}`);
        widget.value = value;
        widget.callback?.(value, app.canvas, node);
    }

    function isOfPack(node) {
        return node.constructor.nodeData?.python_module === "custom_nodes.noise-search";
    }

    function colorsOf(node) {
        if (node.type === "MarkdownNote") return COLORS.note;
        return isOfPack(node) ? COLORS.pack : [];
    }

    async function made(spec) {
        const node = LiteGraph.createNode(spec.type);
        if (!node) throw new Error(`there is no node ${spec.type}`);
        node.id = spec.id;
        if (spec.title) node.title = spec.title;
        [node.color, node.bgcolor] = colorsOf(node);
        app.graph.add(node);
        for (const [name, value] of Object.entries(spec.settings)) await set(node, name, value);
        if (spec.models.length) {
            node.properties.models = spec.models.map(([name, url, directory]) => ({ name, url, directory }));
        }
        return node;
    }

    async function connect(node, name, [from, output]) {
        const source = app.graph.getNodeById(from);
        const slot = source.findOutputSlot(output);
        const input = await appeared(() => node.findInputSlot(name), `${node.type}.${name}`);
        if (slot === -1 || !source.connect(slot, node, input)) {
            throw new Error(`${source.type}.${output} does not go into ${node.type}.${name}`);
        }
    }

    app.graph.clear();
    for (const spec of columns.flatMap((column) => column.nodes)) await made(spec);
    for (const spec of columns.flatMap((column) => column.nodes)) {
        for (const [name, link] of Object.entries(spec.links)) await connect(app.graph.getNodeById(spec.id), name, link);
    }
    let x = 0;
    for (const { width, nodes } of columns) {
        let y = 0;
        for (const { id, tall, room } of nodes) {
            const node = app.graph.getNodeById(id);
            node.pos = [x, y];
            node.setSize([width, tall || node.computeSize()[1]]);
            y += node.size[1] + LiteGraph.NODE_TITLE_HEIGHT + GAP + (isOfPack(node) ? BADGE : 0) + room;
        }
        x += width + GAP;
    }
    return JSON.stringify(app.graph.serialize());
}
