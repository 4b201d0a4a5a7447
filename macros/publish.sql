{#- Publish the marts as one file, after a `dbt build` in which everything passed. -#}
{% macro publish() %}
    {{ return(adapter.dispatch('publish')()) }}
{% endmacro %}
{#- From a cluster, `mm build` fetches them. -#}
{% macro spark__publish() %}
{% endmacro %}
{% macro duckdb__publish() %}
    {#- Before any condition: dbt learns here, as it parses, what this needs. -#}
    {%- set report_files = ref('int_report_files_judged') -%}
    {%- if execute and flags.WHICH == 'build' -%}
        {%- set bad_ends = ['error', 'fail', 'skipped', 'runtime error'] -%}
        {%- set failed = results | selectattr('status', 'in', bad_ends) | list -%}
        {%- set built = results | map(attribute='node.unique_id') | list -%}
        {%- set missing = graph.nodes.values()
            | selectattr('resource_type', 'in', ['seed', 'model', 'test'])
            | rejectattr('tags', 'equalto', ['proof'])
            | rejectattr('unique_id', 'in', built) | list -%}
        {%- set file = env_var('MM_DATABASE_DIR', 'database') ~ '/' ~ var('program') ~ '.duckdb' -%}
        {%- if failed or missing -%}
            {%- set is_there = run_query("select 1 from glob('" ~ file | replace("'", "''") ~ "')") | length -%}
            {%- set why = 'not everything passed' if failed else 'only a part was built' -%}
            {%- do log('Not published, because ' ~ why ~ (': ' ~ file ~ ' is as it was' if is_there) ~ '.', info=true) -%}
        {%- else -%}
            {#- What is masked stands in the models' meta. -#}
            {%- set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | list -%}
            {%- do adapter.store_relation('edx', report_files, [], file, 'duckdb', {'models': models}) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
