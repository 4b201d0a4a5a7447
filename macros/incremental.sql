{#- For tables that keep what they held at the last published build, but for what is made anew. -#}

{#- In both conditions the tables are named before `if`: dbt learns as it parses what a model needs. -#}

{#- Whether what a mart says of a learner is made anew; all is, where the table holds no published build. -#}
{% macro is_touched(learner) -%}
    {%- set touched_learners = ref('int_touched_learners') -%}
    {%- set last_report_files = source('last_build', 'report_files') -%}
    {%- if is_incremental() -%}
        ({{ learner }} in (select student_id from {{ touched_learners }})
        or not exists (select 1 from {{ last_report_files }}))
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Whether a file was not there at the last published build; none was, where there is no such build. -#}
{% macro is_new_file(file_id) -%}
    {%- set last_report_files = source('last_build', 'report_files') -%}
    {%- if is_incremental() -%}
        {{ file_id }} not in (select file_id from {{ last_report_files }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- What such a table runs first, with the same condition as its rows: what is made anew goes. -#}
{% macro delete_where(condition) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ condition }}
    {%- endif -%}
{%- endmacro %}
